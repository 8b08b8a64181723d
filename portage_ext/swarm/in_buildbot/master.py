"""The configuration of Buildbot's master. Buildbot's own Python runs it, so it cannot import portage-ext.

It reads ``swarm.json`` beside it: the address, the certificate, the builders, the web page. It serves the coordinator on the
socket ``master.sock`` in the same directory, one JSON object a line:

    to us    {"do": "submit", "id", "builder", "files": [[here, there]], "results": [[there, here]], "log", "most", "seconds",
              "package", "target"}
             {"do": "cancel", "id", "why"}    {"do": "reload"}    {"do": "drain", "builder", "on"}
    from us  {"event": "builders", "builders": {name: {"connected", "draining", "busy", "labels"}}}
             {"event": "ended", "id", "builder", "how", "status", "why"}    {"event": "reloaded", "why"}

The coordinator decides what is built, on which builder, and what is done with the result. For each machine there is a Buildbot
builder with the same name. So Buildbot only transports: it runs one attempt on one machine and reports how it ended. Buildbot
does not repeat an attempt that was lost with its machine.
"""

import json
import os

from buildbot.config.errors import error
from buildbot.plugins import schedulers, steps, util, worker
from buildbot.plugins.db import get_plugins
from buildbot.process.buildstep import BuildStep
from buildbot.process.remotecommand import RemoteShellCommand
from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from buildbot.util.service import BuildbotService
from twisted.internet import defer, protocol, task
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python import log

TOP = os.path.abspath(basedir) if "basedir" in globals() else os.getcwd()  # noqa: F821 - Buildbot defines it
with open(os.path.join(TOP, "swarm.json"), encoding="utf-8") as file:
    SETTINGS = json.load(file)

PROBE = SETTINGS["probe"]
"""Each builder is asked at this interval, in seconds. If it does not answer within the same time, it is lost."""
LOST = SETTINGS["lost"]
LONGEST_LINE = 4 * 2**20
HOW = {SUCCESS: "built", FAILURE: "failed", RETRY: "lost", CANCELLED: "cancelled", EXCEPTION: "error"}
LOG_BLOCK_KEPT = 4096


class Builder(worker.Worker):
    """A machine. It is asked for its labels every few seconds. If it does not answer, its connection is closed."""

    asking = None

    def attached(self, conn):
        self.labels = conn.info.get("labels", "")
        done = super().attached(conn)
        if self.asking is None or not self.asking.running:
            self.asking = task.LoopingCall(self.ask)
            self.asking.start(PROBE, now=False)
        done.addCallback(lambda ignored: changed(self.master))
        return done

    @defer.inlineCallbacks
    def detached(self):
        if self.asking is not None and self.asking.running:
            self.asking.stop()
        master = self.master
        yield super().detached()
        changed(master)

    @defer.inlineCallbacks
    def ask(self):
        conn = self.conn
        if conn is None:
            return
        asked = conn.remoteGetWorkerInfo()
        asked.addTimeout(LOST, self.master.reactor)
        try:
            info = yield asked
        except Exception as error:  # any error means that the builder does not answer
            if self.conn is conn:
                log.msg(f"builder {self.name} does not answer within {LOST} s ({error!r}): its connection is cut")
                # loseConnection would wait on a half-open connection until TCP gives up.
                conn.mind.broker.transport.abortConnection()
            return
        if self.conn is conn and info.get("labels", "") != self.labels:
            self.labels = info.get("labels", "")
            changed(self.master)

    def messageReceivedFromWorker(self):
        """Called at a keepalive, which our worker sends when it takes jobs again or no more."""
        super().messageReceivedFromWorker()
        self.ask()

    def shutdownRequested(self):
        super().shutdownRequested()
        changed(self.master)

    def told(self):
        busy = [wfb for wfb in self.workerforbuilders.values() if wfb.isBusy()]
        draining = bool(self._graceful or self._paused)
        return {
            "connected": self.conn is not None and bool(self.workerforbuilders),
            "draining": draining,
            "busy": len(busy),
            "labels": getattr(self, "labels", ""),
        }


class Attempt(BuildStep):
    """Adds the Buildbot steps for one submission."""

    name = "attempt"

    @defer.inlineCallbacks
    def run(self):
        yield defer.succeed(None)
        wanted = json.loads(self.getProperty("wanted"))
        more = [steps.RemoveDirectory(dir="build", name="clear", haltOnFailure=True)]
        for here, there in wanted["files"]:
            more.append(
                steps.FileDownload(
                    mastersrc=here, workerdest=there, mode=0o600, blocksize=256 * 1024, haltOnFailure=True, name="send"
                )
            )
        more.append(Perform(wanted, haltOnFailure=True))
        for there, here in wanted["results"]:
            more.append(
                steps.FileUpload(
                    workersrc=there, masterdest=here, maxsize=wanted["most"], mode=0o600, blocksize=256 * 1024,
                    haltOnFailure=True, name="take",
                )
            )  # fmt: skip
        more.append(steps.RemoveDirectory(dir="build", name="clean", alwaysRun=True, flunkOnFailure=False))
        self.build.addStepsAfterCurrentStep(more)
        return SUCCESS


class Perform(BuildStep):
    """Runs the only command that a builder may run. The output goes to the log of the attempt, not to Buildbot's database."""

    name = "perform"

    def __init__(self, wanted, **rest):
        super().__init__(**rest)
        self.wanted = wanted

    @defer.inlineCallbacks
    def run(self):
        command = Logged(self.wanted, workdir=os.path.join(self.workdir or "", "build"))
        try:
            yield self.runCommand(command)
        finally:
            command.out.close()
        door(self.master).performed[self.wanted["id"]] = (command.rc, command.last)
        return SUCCESS if command.rc == 0 else FAILURE


class Logged(RemoteShellCommand):
    def __init__(self, wanted, workdir):
        super().__init__(
            "build", ["portage-ext-perform"], want_stdout=1, want_stderr=1, timeout=None, maxTime=wanted["seconds"],
            logEnviron=False, sigtermTime=10, stdioLogName=None,
        )  # fmt: skip
        self.out = open(os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8")
        self.left, self.last = wanted["most_log"], ""

    def keep(self, data):
        self.last = (self.last + data)[-LOG_BLOCK_KEPT:]
        if self.left > 0 and not self.out.closed:
            self.out.write(data[: self.left])
            self.out.flush()
            self.left -= len(data)

    def add_stdout_lines(self, data, is_flushed):
        self.keep(data)
        return defer.succeed(None)

    add_stderr_lines = add_stdout_lines


class Door(BuildbotService):
    """Serves the coordinator on a socket. It survives a reload of the configuration."""

    name = "door"

    def reconfigService(self):
        return defer.succeed(None)

    @defer.inlineCallbacks
    def startService(self):
        yield super().startService()
        self.lines, self.submitted, self.performed = set(), {}, {}
        line = protocol.Factory.forProtocol(Line)
        line.door = self
        # Use a relative path, because the path of a socket may have only 107 bytes. This process runs in the directory.
        self.port = self.master.reactor.listenUNIX("master.sock", line, mode=0o600)
        self.consumer = yield self.master.mq.startConsuming(self.ended, ("buildrequests", None, "complete"))
        self.losses = yield self.master.mq.startConsuming(self.lost, ("builds", None, "finished"))

    @defer.inlineCallbacks
    def stopService(self):
        self.port.stopListening()
        self.consumer.stopConsuming()
        self.losses.stopConsuming()
        yield super().stopService()

    def say(self, event, **values):
        for line in self.lines:
            line.sendLine(json.dumps({"event": event, **values}).encode())

    def builders(self):
        every = self.master.workers.workers.values()
        return {one.name: one.told() for one in every if isinstance(one, worker.Worker) and hasattr(one, "told")}

    def changed(self):
        self.say("builders", builders=self.builders())

    @defer.inlineCallbacks
    def do(self, wanted):
        do = wanted["do"]
        if do == "submit":
            yield self.submit(wanted)
        elif do == "cancel":
            yield self.cancel(wanted["id"], wanted["why"])
        elif do == "drain":
            one = self.master.workers.workers.get(wanted["builder"])
            if one is not None:
                one.pause("drained by the coordinator") if wanted["on"] else one.unpause()
            self.changed()
        elif do == "reload":
            yield self.master.reconfig()
            self.changed()
            self.say("reloaded")

    @defer.inlineCallbacks
    def submit(self, wanted):
        identity, name = wanted["id"], wanted["builder"]
        builder = self.master.botmaster.builders.get(name)
        if builder is None:
            self.say("ended", id=identity, builder=name, how="lost", status=None, why="there is no such builder")
            return
        number = yield builder.getBuilderId()
        text = json.dumps(wanted)
        self.submitted[identity] = None
        _, requests = yield self.master.data.updates.addBuildset(
            waited_for=False, scheduler="portage-ext", reason=identity, external_idstring=identity, builderids=[number],
            sourcestamps=[{"codebase": "", "repository": "", "branch": None, "revision": None, "project": ""}],
            properties={
                "wanted": (text, "portage-ext"),
                "package": (wanted.get("package", ""), "portage-ext"),
                "target": (wanted.get("target", ""), "portage-ext"),
            },
        )  # fmt: skip
        self.submitted[identity] = (requests[number], name)

    @defer.inlineCallbacks
    def cancel(self, identity, why):
        found = self.submitted.get(identity)
        if found:
            yield self.master.data.control("cancel", {"reason": why}, ("buildrequests", found[0]))

    def by_request(self, number):
        return next((identity for identity, found in self.submitted.items() if found and found[0] == number), None)

    @defer.inlineCallbacks
    def lost(self, key, build):
        """Called when a build has ended. A build that was lost with its machine is cancelled, so that Buildbot does not repeat
        it."""
        identity = self.by_request(build["buildrequestid"])
        if identity is not None and build["results"] == RETRY:
            self.finish(identity, RETRY)
            yield self.master.data.control("cancel", {"reason": "lost"}, ("buildrequests", build["buildrequestid"]))

    def ended(self, key, request):
        identity = self.by_request(request["buildrequestid"])
        if identity is not None:
            self.finish(identity, request["results"])

    def finish(self, identity, results):
        _, name = self.submitted.pop(identity)
        status, last = self.performed.pop(identity, (None, ""))
        self.say("ended", id=identity, builder=name, how=HOW.get(results, "error"), status=status, why=last[-400:])
        self.changed()


class Line(LineOnlyReceiver):
    """One connection of the coordinator."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST_LINE

    def connectionMade(self):
        self.factory.door.lines.add(self)
        self.factory.door.changed()

    def connectionLost(self, reason=None):
        self.factory.door.lines.discard(self)

    def lineReceived(self, line):
        done = defer.maybeDeferred(self.factory.door.do, json.loads(line))
        done.addErrback(log.err, "the coordinator asked for what failed")


def door(master):
    """Return the existing Door of the master. It survives a reload, while everything else in this file is defined again."""
    return master.service_manager.namedServices.get("door")


def changed(master):
    found = door(master)
    if found is not None and found.running:
        found.changed()


def factory():
    return util.BuildFactory([Attempt()])


# Buildbot needs at least one worker to start, but a new swarm has none. It also closes the port when the last worker is
# removed, even if the same reload adds another, and refuses a builder that joins at that moment. Therefore this one stays. No
# builder can have its name, and nobody knows its password, which is the same after a reload.
NOBODY = "Nobody"
PASSWORDS = {NOBODY: SETTINGS["nobody"], **SETTINGS["builders"]}
WEB = SETTINGS["web"]
ADDRESS = WEB["url"] if WEB else "http://localhost/"
BuildmasterConfig = {
    "title": "portage-ext swarm",
    "titleURL": ADDRESS,
    "buildbotURL": ADDRESS,
    "buildbotNetUsageData": None,
    "db_url": "sqlite:///state.sqlite",
    "protocols": {"pb": {"port": SETTINGS["port"]}},
    "workers": [Builder(name, password, max_builds=1) for name, password in PASSWORDS.items()],
    "builders": [
        util.BuilderConfig(name=name, workernames=[name], factory=factory(), workerbuilddir="work") for name in PASSWORDS
    ],
    "services": [Door()],
    # This scheduler is never triggered; Buildbot requires that each builder has one.
    "schedulers": [schedulers.Triggerable("portage-ext", builderNames=list(PASSWORDS))],
    "collapseRequests": False,
}
if WEB:
    # The page only shows. Nobody has the role that every change needs, because the coordinator decides what is built: there is
    # no login, no hook for changes, and no picture from another host.
    if "base" not in get_plugins("www"):
        error("the web page needs buildbot-www")  # swarm/master looks for these words
    BuildmasterConfig["www"] = {
        "port": WEB["port"],
        "authz": util.Authz(allowRules=[util.AnyControlEndpointMatcher(role="nobody")], roleMatchers=[]),
        "change_hook_dialects": {},
        "avatar_methods": [],
        "plugins": {},
    }

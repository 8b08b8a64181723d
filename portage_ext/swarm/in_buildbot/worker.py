"""The configuration of Buildbot's worker on a builder. Buildbot's own Python runs it, so it cannot import portage-ext.

It reads ``builder.json`` in the same directory. The coordinator can only run the one command in this file, and can only
transfer files in the directory of the attempt. All other requests that a Buildbot master can send are refused. The server must
have the certificate in ``coordinator/``; certificate authorities are ignored. The coordinator asks for the labels every few
seconds, and at once after a message that this machine takes jobs again or no more. If it has not asked for ``lost`` seconds,
the connection is closed and opened again.
"""

import json
import os
import time

from buildbot_worker import pb
from buildbot_worker.bot import Worker
from buildbot_worker.commands import fs, registry, shell, transfer
from twisted.application import service
from twisted.internet import task
from twisted.python import log

TOP = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(TOP, "builder.json"), encoding="utf-8") as file:
    SETTINGS = json.load(file)
WORK = os.path.join(TOP, "work")


def inside(path):
    """Return ``path`` if it is in the directory of attempts. Raises ValueError otherwise."""
    real = os.path.realpath(path)
    if os.path.commonpath((real, WORK)) != WORK or real == WORK:
        raise ValueError(f"the coordinator asked for {path}, which is outside the directory of the attempt")
    return path


class Only(shell.WorkerShellCommand):
    """Runs the command from ``builder.json`` and ignores the command that the coordinator sends."""

    def start(self):
        self.args["command"] = [*SETTINGS["command"], inside(self.args["workdir"])]
        self.args["env"] = None
        self.args["logfiles"] = {}
        return super().start()


class Download(transfer.WorkerFileDownloadCommand):
    def start(self):
        inside(self.args["path"])
        return super().start()


class Upload(transfer.WorkerFileUploadCommand):
    def start(self):
        inside(self.args["path"])
        return super().start()


class Remove(fs.RemoveDirectory):
    def start(self):
        for path in self.args["paths"]:
            inside(path)
        return super().start()


ALLOWED = {"shell": Only, "downloadFile": Download, "uploadFile": Upload, "rmdir": Remove}
registry.commandRegistry.clear()
registry.commandRegistry.update(ALLOWED)


class Watched(Worker):
    """A worker that closes its connection if the coordinator no longer sends anything."""

    def __init__(self, *words, **rest):
        super().__init__(*words, **rest)
        self.heard = time.monotonic()
        self.bot.remote_getWorkerInfo = self.describe
        self.watch = task.LoopingCall(self.look)
        self.closed, self.news = "", task.LoopingCall(self.look_for_news)
        attached = self.bf.gotPerspective

        def got(perspective):
            tell("")
            return attached(perspective)

        self.bf.gotPerspective = got

    def describe(self):
        self.heard = time.monotonic()
        labels = read_labels()
        self.closed = why_closed(labels)
        return {
            "labels": labels, "version": self.bot.remote_getVersion(), "system": os.name, "basedir": self.basedir,
            "environ": {}, "worker_commands": self.bot.remote_getCommands(), "numcpus": 1,
        }  # fmt: skip

    def startService(self):
        super().startService()
        self.watch.start(5, now=False)
        self.news.start(0.5, now=False)

    def look_for_news(self):
        """Send a message if this machine takes jobs again or no more. The coordinator then asks for the labels."""
        perspective = self.bf.perspective
        if perspective is not None and why_closed(read_labels()) != self.closed:
            # The coordinator overrides what Buildbot does at this message (messageReceivedFromWorker).
            perspective.callRemote("keepalive").addErrback(lambda failure: None)

    def look(self):
        perspective = self.bf.perspective
        if perspective is not None and time.monotonic() - self.heard > SETTINGS["lost"]:
            log.msg("the coordinator is silent: the connection is cut")
            self.heard = time.monotonic()
            perspective.broker.transport.abortConnection()


def read_labels():
    try:
        with open(os.path.join(TOP, "labels.json"), encoding="utf-8") as text:
            return text.read()
    except OSError:
        return ""


def why_closed(labels):
    return json.loads(labels)["closed"] if labels else ""


class Told:
    """An endpoint that writes the result of each connection attempt to the file ``connection``. Twisted does not report it."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def connect(self, factory):
        done = self.endpoint.connect(factory)
        done.addCallbacks(self.connected, self.failed)
        return done

    def connected(self, result):
        """TCP is connected. Whether the certificate and the secret are accepted is not known yet."""
        lose = result.connectionLost

        def lost(reason):
            tell(f"the connection ended: {reason.getErrorMessage()}")
            return lose(reason)

        result.connectionLost = lost
        return result

    def failed(self, failure):
        tell(f"cannot connect: {failure.getErrorMessage()}")
        return failure


def tell(text):
    log.msg(text or "connected")
    with open(os.path.join(TOP, "connection"), "w", encoding="utf-8") as file:
        file.write(text)


os.makedirs(WORK, mode=0o700, exist_ok=True)
_made = pb.clientFromString
pb.clientFromString = lambda reactor, text: Told(_made(reactor, text))
application = service.Application("portage-ext-builder")
Watched(
    None, None, SETTINGS["name"], SETTINGS["secret"], TOP, keepalive=0, allow_shutdown="signal",
    connection_string=SETTINGS["connection"],
).setServiceParent(application)  # fmt: skip

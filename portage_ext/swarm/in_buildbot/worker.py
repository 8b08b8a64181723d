"""What a builder runs: Buildbot's worker, by Buildbot's own Python; nothing of portage-ext can be imported here.

It reads ``builder.json`` beside it. The coordinator may make it run one command alone, the one that the file names, and may
move files in the directory of the attempt alone; whatever else Buildbot's masters can ask of their workers is refused. The
connection is held to the certificate in ``coordinator/``, whatever any authority has signed. The coordinator asks for the
labels every few seconds; when it has not done so for ``lost`` seconds, the connection is cut, and made again.
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
    """``path``, when it is in the directory of attempts. Raises ValueError."""
    real = os.path.realpath(path)
    if os.path.commonpath((real, WORK)) != WORK or real == WORK:
        raise ValueError(f"the coordinator asked for {path}, which is outside the directory of the attempt")
    return path


class Only(shell.WorkerShellCommand):
    """Runs the command of ``builder.json``, whatever words the coordinator sends."""

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
    """A worker that cuts a connection on which the coordinator has fallen silent."""

    def __init__(self, *words, **rest):
        super().__init__(*words, **rest)
        self.heard = time.monotonic()
        self.bot.remote_getWorkerInfo = self.describe
        self.watch = task.LoopingCall(self.look)
        attached = self.bf.gotPerspective

        def got(perspective):
            tell("")
            return attached(perspective)

        self.bf.gotPerspective = got

    def describe(self):
        self.heard = time.monotonic()
        try:
            with open(os.path.join(TOP, "labels.json"), encoding="utf-8") as text:
                labels = text.read()
        except OSError:
            labels = ""
        return {
            "labels": labels, "version": self.bot.remote_getVersion(), "system": os.name, "basedir": self.basedir,
            "environ": {}, "worker_commands": self.bot.remote_getCommands(), "numcpus": 1,
        }  # fmt: skip

    def startService(self):
        super().startService()
        self.watch.start(5, now=False)

    def look(self):
        perspective = self.bf.perspective
        if perspective is not None and time.monotonic() - self.heard > SETTINGS["lost"]:
            log.msg("the coordinator is silent: the connection is cut")
            self.heard = time.monotonic()
            perspective.broker.transport.abortConnection()


class Told:
    """An endpoint that says in the file ``connection`` what became of each attempt; Twisted keeps that to itself."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def connect(self, factory):
        done = self.endpoint.connect(factory)
        done.addCallbacks(self.connected, self.failed)
        return done

    def connected(self, result):
        """TCP is there; whether the certificate is believed, and the secret, is not known yet."""
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

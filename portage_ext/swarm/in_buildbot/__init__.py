"""The configuration files of Buildbot's master and worker, which Buildbot's own Python runs; portage-ext never imports them."""

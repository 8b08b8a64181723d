# shellcheck shell=bash
# Records which symbol versions a freshly built image needs and defines,
# beside REQUIRES and PROVIDES. Portage sources bashrc once more, with no
# EBUILD_PHASE, for its checks after src_install: the image is complete then,
# and nothing is packed yet. Python is called as Portage calls it for its own
# helpers; -P keeps it from importing modules of the current directory.
if [[ -z ${EBUILD_PHASE-} && ${MISC_FUNCTIONS_ARGS-} == *install_qa_check* ]]; then
	if ! PYTHONPATH="${PORTAGE_PYTHONPATH:-${PORTAGE_PYM_PATH-}}" \
		"${PORTAGE_PYTHON:-/usr/bin/python3}" -P -s -m portage_ext.hooks.record; then
		ewarn "portage-ext: the symbol contract of ${CATEGORY}/${PF} was not recorded; the package is not affected"
	fi
fi

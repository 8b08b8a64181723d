# shellcheck shell=bash
# Records which symbol versions a freshly built image needs and defines, beside REQUIRES and PROVIDES.
# Portage sources bashrc once more for its own checks after src_install: the image is complete then, and nothing is packed yet.
if [[ ${EBUILD_PHASE} == install && " ${MISC_FUNCTIONS_ARGS-} " == *" install_qa_check "* ]]; then
	if ! "${PORTAGE_PYTHON:-/usr/bin/python3}" -I -m portage_ext.hooks.record; then
		ewarn "portage-ext: the symbol contract of ${CATEGORY}/${PF} was not recorded; the package is not affected"
	fi
fi

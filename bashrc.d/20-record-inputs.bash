# shellcheck shell=bash
# Records what decided the build of a freshly built image, if
# PORTAGE_EXT_PROVENANCE is "on": `portage-ext provenance` shows it.
if [[ ${PORTAGE_EXT_PROVENANCE-} == on && -z ${EBUILD_PHASE-} && ${MISC_FUNCTIONS_ARGS-} == *install_qa_check* ]]; then
	if ! A="${A-}" EBUILD="${EBUILD-}" PORTAGE_EXT_JOB="${PORTAGE_EXT_JOB-}" \
		PYTHONPATH="${PORTAGE_PYTHONPATH:-${PORTAGE_PYM_PATH-}}" \
		"${PORTAGE_PYTHON:-/usr/bin/python3}" -P -s -m portage_ext.hooks.inputs; then
		ewarn "portage-ext: what ${CATEGORY}/${PF} was built from was not recorded; the package is not affected"
	fi
fi

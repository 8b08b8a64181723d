# shellcheck shell=bash
# Records what decided the build of a freshly built image, if
# PORTAGE_EXT_PROVENANCE is "on": `portage-ext provenance` shows it.
if [[ ${PORTAGE_EXT_PROVENANCE-} == on && -z ${EBUILD_PHASE-} && ${MISC_FUNCTIONS_ARGS-} == *install_qa_check* ]]; then
	# Portage makes an array of it, and bash exports no arrays.
	printf -v __portage_ext_eclasses '%q ' "${PORTAGE_ECLASS_LOCATIONS[@]-}"
	if ! A="${A-}" EBUILD="${EBUILD-}" PORTAGE_EXT_JOB="${PORTAGE_EXT_JOB-}" PORTAGE_EXT_ECLASSES="${__portage_ext_eclasses}" \
		PYTHONPATH="${PORTAGE_PYTHONPATH:-${PORTAGE_PYM_PATH-}}" \
		"${PORTAGE_PYTHON:-/usr/bin/python3}" -P -s -m portage_ext.hooks.inputs; then
		ewarn "portage-ext: what ${CATEGORY}/${PF} was built from was not recorded; the package is not affected"
	fi
	unset -v __portage_ext_eclasses
fi

# shellcheck shell=bash
# Compares the image of a binary package with the live system before any of
# its files reaches the root. Portage also sources bashrc for its own checks of
# this phase; nothing is done then, because those cannot stop a merge.
if [[ ${EBUILD_PHASE-} == preinst && ${MERGE_TYPE-} == binary && -z ${MISC_FUNCTIONS_ARGS-} ]]; then
	__portage_ext_status=0
	__portage_ext_said=$(PYTHONPATH="${PORTAGE_PYTHONPATH:-${PORTAGE_PYM_PATH-}}" \
		"${PORTAGE_PYTHON:-/usr/bin/python3}" -P -s -m portage_ext.hooks.guard) || __portage_ext_status=$?
	while IFS= read -r __portage_ext_line; do
		[[ -z ${__portage_ext_line} ]] || ewarn "${__portage_ext_line}"
	done <<<"${__portage_ext_said}"
	if [[ ${__portage_ext_status} == 3 ]]; then
		die "portage-ext: ${CATEGORY}/${PF} would not run on this system; nothing of it was merged"
	elif [[ ${__portage_ext_status} != 0 ]]; then
		ewarn "portage-ext: the guard could not check ${CATEGORY}/${PF} (exit status ${__portage_ext_status}); the merge goes on"
	fi
	unset -v __portage_ext_{status,said,line}
fi

# shellcheck shell=bash
# Warns when a package built from source no longer defines symbol versions that
# installed programs need, and names them. The contracts of the old and the new
# version are compared here; Python starts only if something is missing.
if [[ ${EBUILD_PHASE-} == preinst && ${MERGE_TYPE-} == source && -n ${REPLACING_VERSIONS-} && -z ${MISC_FUNCTIONS_ARGS-} &&
	${PORTAGE_EXT_TOOLCHAIN-} != off ]]; then
	__portage_ext_new='' __portage_ext_lost=''
	if [[ -r ${PORTAGE_BUILDDIR}/build-info/SYMBOL_CONTRACT ]]; then
		IFS= read -r __portage_ext_new <"${PORTAGE_BUILDDIR}/build-info/SYMBOL_CONTRACT" || :
	fi
	IFS=' ' read -ra __portage_ext_versions <<<"${REPLACING_VERSIONS}" || :
	for __portage_ext_old in "${__portage_ext_versions[@]/#/${EROOT%/}/var/db/pkg/${CATEGORY}/${PN}-}"; do
		[[ -r ${__portage_ext_old}/SYMBOL_CONTRACT ]] || continue
		IFS= read -r __portage_ext_old <"${__portage_ext_old}/SYMBOL_CONTRACT" || :
		# What it defines is last: " < CATEGORY SONAME:VERSION ..."
		[[ ${__portage_ext_old} == *' < '* ]] || continue
		IFS='<' read -ra __portage_ext_groups <<<"${__portage_ext_old#* < }" || :
		for __portage_ext_group in "${__portage_ext_groups[@]}"; do
			IFS=' ' read -ra __portage_ext_words <<<"${__portage_ext_group}" || :
			__portage_ext_there=${__portage_ext_new#*" < ${__portage_ext_words[0]-} "}
			[[ ${__portage_ext_there} == "${__portage_ext_new}" ]] && __portage_ext_there=''
			for __portage_ext_word in "${__portage_ext_words[@]:1}"; do
				[[ " ${__portage_ext_there%% < *} " == *" ${__portage_ext_word} "* ]] || __portage_ext_lost=1
			done
		done
	done
	if [[ -n ${__portage_ext_lost} ]]; then
		if __portage_ext_said=$(PYTHONPATH="${PORTAGE_PYTHONPATH:-${PORTAGE_PYM_PATH-}}" \
			"${PORTAGE_PYTHON:-/usr/bin/python3}" -P -s -m portage_ext.hooks.losses); then
			while IFS= read -r __portage_ext_word; do
				[[ -z ${__portage_ext_word} ]] || ewarn "${__portage_ext_word}"
			done <<<"${__portage_ext_said}"
		else
			ewarn "portage-ext: could not check whether an installed package needs what ${CATEGORY}/${PF} removes; the merge goes on"
		fi
	fi
	unset -v __portage_ext_{new,lost,versions,old,groups,group,words,there,word,said}
fi

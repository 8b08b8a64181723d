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
	# What a package defines becomes one line for each group:
	# "@ CATEGORY DIRECTORY SONAME:VERSION ..." for a private directory,
	# "< CATEGORY SONAME:VERSION ..." for the public ones.
	__portage_ext_new=${__portage_ext_new// @ /$'\n@ '}
	__portage_ext_new=${__portage_ext_new// < /$'\n< '}
	IFS=' ' read -ra __portage_ext_versions <<<"${REPLACING_VERSIONS}" || :
	for __portage_ext_old in "${__portage_ext_versions[@]/#/${EROOT%/}/var/db/pkg/${CATEGORY}/${PN}-}"; do
		[[ -r ${__portage_ext_old}/SYMBOL_CONTRACT ]] || continue
		IFS= read -r __portage_ext_old <"${__portage_ext_old}/SYMBOL_CONTRACT" || :
		__portage_ext_old=${__portage_ext_old// @ /$'\n@ '}
		__portage_ext_old=${__portage_ext_old// < /$'\n< '}
		[[ ${__portage_ext_old} != "${__portage_ext_new}" ]] || continue
		while IFS=' ' read -ra __portage_ext_words; do
			__portage_ext_group="${__portage_ext_words[0]-} ${__portage_ext_words[1]-} "
			case ${__portage_ext_words[0]-} in
			'<') __portage_ext_words=("${__portage_ext_words[@]:2}") ;;
			'@')
				__portage_ext_group+="${__portage_ext_words[2]-} "
				__portage_ext_words=("${__portage_ext_words[@]:3}")
				;;
			*) continue ;;
			esac
			__portage_ext_there=${__portage_ext_new#*$'\n'"${__portage_ext_group}"}
			[[ ${__portage_ext_there} == "${__portage_ext_new}" ]] && __portage_ext_there=''
			__portage_ext_there=" ${__portage_ext_there%%$'\n'*} "
			for __portage_ext_word in "${__portage_ext_words[@]}"; do
				[[ ${__portage_ext_there} == *" ${__portage_ext_word} "* ]] || __portage_ext_lost=1
			done
		done <<<"${__portage_ext_old}"
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
	unset -v __portage_ext_{new,lost,versions,old,group,words,there,word,said}
fi

# shellcheck shell=bash
# Loader of portage-ext's phase hooks: have /etc/portage/bashrc source this file.
# Every phase of every package passes here. Only preinst, and Portage's own checks after src_install, go on; "depend", where any
# command is fatal, costs one test.
if [[ ${EBUILD_PHASE-} == preinst || ( -z ${EBUILD_PHASE-} && ${MISC_FUNCTIONS_ARGS-} == *install_qa_check* ) ]]; then
	for __portage_ext_hook in "${BASH_SOURCE[0]%/*}"/[0-9][0-9]-*.bash; do
		if [[ -r ${__portage_ext_hook} ]]; then
			# shellcheck source=/dev/null
			source "${__portage_ext_hook}"
		fi
	done
	unset -v __portage_ext_hook
fi

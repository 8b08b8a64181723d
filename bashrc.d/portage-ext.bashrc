# shellcheck shell=bash
# Loader of portage-ext's phase hooks, sourced by the lines that setup_hooks.sh puts into /etc/portage/bashrc.
# Every phase of every package passes here. Only preinst, and Portage's own checks after src_install, go on; "depend", where any
# command is fatal, costs one test. Whatever an administrator's lines before these have set (nounset, errexit, noglob, options of
# shopt) may stay set, and nothing is left behind.
if [[ ${EBUILD_PHASE-} == preinst || ( -z ${EBUILD_PHASE-} && ${MISC_FUNCTIONS_ARGS-} == *install_qa_check* ) ]]; then
	__portage_ext_flags=$-
	set +f
	for __portage_ext_hook in "${BASH_SOURCE[0]%/*}"/[0-9][0-9]-*.bash; do
		if [[ -r ${__portage_ext_hook} ]]; then
			# shellcheck source=/dev/null
			source "${__portage_ext_hook}"
		fi
	done
	if [[ ${__portage_ext_flags} == *f* ]]; then
		set -f
	fi
	unset -v __portage_ext_flags __portage_ext_hook
fi

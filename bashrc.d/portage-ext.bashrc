# shellcheck shell=bash
# Loads portage-ext's phase hooks; the lines that portage-ext setup puts into
# /etc/portage/bashrc source this file. Every phase of every package comes
# here. Only preinst, and Portage's own checks after src_install, go on. The
# phase "depend", in which any command is fatal, costs one test. It works with
# whatever the lines before these have set (nounset, errexit, noglob, shopt),
# and leaves nothing behind.
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

# SPDX-License-Identifier: Apache-2.0
# Completion of covey(1) for bash. What may come next is the command's own to say (cli/complete.c).
_covey() {
	local word what
	local cur=${COMP_WORDS[COMP_CWORD]}
	COMPREPLY=()
	[ "$cur" != = ] || cur=
	while IFS=$'\t' read -r word what; do
		if [ "$word" = :file ]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r word; do
				COMPREPLY+=("$word")
			done < <(compgen -f -- "$cur")
		else
			COMPREPLY+=("$word")
		fi
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _covey covey

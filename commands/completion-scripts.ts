/** What the shells read. Each asks `tdf complete` and shows a tab-separated candidate and its description. */
const BASH = String.raw`# bash completion for tdf. Keep it in a file:
#   tdf completion bash > ~/.local/share/bash-completion/completions/tdf
_tdf() {
  local line lines=() width=0
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o default 2>/dev/null
      return
    fi
    lines+=("$line")
    line=${'$'}{line%%$'\t'*}
    (( ${'$'}{#line} > width )) && width=${'$'}{#line}
  done < <("$1" complete -- "${'$'}{COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  for line in "${'$'}{lines[@]}"; do
    # Only a list is for eyes; what is put on the command line is the candidate alone.
    if (( ${'$'}{#lines[@]} > 1 )) && [[ $COMP_TYPE == 63 && $line == *$'\t'* ]]; then
      printf -v line '%-*s  %s' "$width" "${'$'}{line%%$'\t'*}" "${'$'}{line#*$'\t'}"
      COMPREPLY+=("$line")
    else
      COMPREPLY+=("${'$'}{line%%$'\t'*}")
    fi
  done
}
complete -o nosort -F _tdf tdf 2>/dev/null || complete -F _tdf tdf
`

const ZSH = String.raw`#compdef tdf
# zsh completion for tdf. Keep it in a file of a folder in $fpath:
#   tdf completion zsh > ~/.zfunc/_tdf
_tdf() {
  local line
  local -a described
  for line in "${'$'}{(@f)$("${'$'}{words[1]}" complete -- "${'$'}{(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == :files ]]; then
      _files
      return
    fi
    described+=("${'$'}{${'$'}{line%%$'\t'*}//:/\\:}:${'$'}{line#*$'\t'}")
  done
  (( $#described )) && _describe -V tdf described
}
if [[ ${'$'}{funcstack[1]} == _tdf ]]; then
  _tdf "$@"
else
  compdef _tdf tdf
fi
`

const FISH = `# fish completion for tdf. Keep it in a file:
#   tdf completion fish > ~/.config/fish/completions/tdf.fish
function __tdf_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    for line in ($before[1] complete -- $before[2..-1] "$current" 2>/dev/null)
        if test "$line" = ':files'
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c tdf -f -k -a '(__tdf_complete)'
`

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH }

#compdef cashet
# Completion of cashet for zsh. Put it into a directory of $fpath as _cashet: cashet completions zsh > _cashet

_cashet() {
    local -a lines described
    local line value
    lines=("${(@f)$("$words[1]" complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    case $lines[1] in
        :files) compset -P '*='; _files ;;
        :directories) compset -P '*='; _files -/ ;;
        ':command '*)
            local skipped=$(( ${lines[1]#:command } + 1 ))
            shift $skipped words
            (( CURRENT -= skipped ))
            _normal
            ;;
        *)
            for line in $lines; do
                [[ -n $line ]] || continue
                value=${${line%%$'\t'*}//:/\\:}
                described+=("$value${${line#*$'\t'}:+:${line#*$'\t'}}")
            done
            _describe -V cashet described
            ;;
    esac
}

if [[ $funcstack[1] == _cashet ]]; then
    _cashet "$@"
else
    compdef _cashet cashet
fi

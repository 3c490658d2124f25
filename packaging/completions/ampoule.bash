# Completion of ampoule for bash. Commands and options are asked of the program itself, so they are always its own.

_ampoule_commands() {
    ampoule help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'
}

# Options of a command, but for those that its help says are for other verbs: "create: ...".
_ampoule_options() {
    ampoule "$1" --help 2>/dev/null | sed -n '/^  --[a-z0-9-]*\( [A-Z][^ ]*\)\{0,1\}  *[a-z, ]*: /{/[ ,]'"${2:-.*}"'[,:]/!d
        }
        s/^  \(--[a-z0-9-]*\) .*/\1/p'
}

_ampoule_takes_value() {
    ampoule "$1" --help 2>/dev/null | grep -q -- "^  $2 [A-Z]"
}

_ampoule_queues() {
    ampoule queue list --timeout-ms 1000 2>/dev/null
}

_ampoule() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]-}
    local verb=''
    COMPREPLY=()
    [[ $command =~ ^(key|queue|subscribe)$ && $COMP_CWORD -gt 2 && ${COMP_WORDS[2]} =~ ^[a-z]+$ ]] && verb=${COMP_WORDS[2]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_commands)" -- "$cur")
        return
    fi
    case $prev in
    --ca | --secret-file | --svg | --socket | --jwk | --webhook-secret)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --state)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    --op)
        mapfile -t COMPREPLY < <(compgen -W "tokenize redeem claim inspect send queue get" -- "$cur")
        return
        ;;
    --queue | --dead-letter)
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_queues)" -- "$cur")
        return
        ;;
    --tls)
        mapfile -t COMPREPLY < <(compgen -W "1.2 1.3" -- "$cur")
        return
        ;;
    --may)
        mapfile -t COMPREPLY < <(compgen -W "tokenize claim inspect revoke send receive manage all" -- "$cur")
        return
        ;;
    --*)
        _ampoule_takes_value "$command" "$prev" && return
        ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_options "$command" "$verb")" -- "$cur")
    elif [ "$command" = help ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_commands)" -- "$cur")
    elif [ "$command" = key ] && [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "create list rotate disable delete" -- "$cur")
    elif [ "$command" = queue ] && [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "create list show set tag untag purge delete move tasks cancel" -- "$cur")
    elif [ "$command" = subscribe ] && [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "list delete rotate test $(_ampoule_queues)" -- "$cur")
    elif [[ $command =~ ^(send|receive)$ && $COMP_CWORD -eq 2 || $command = queue && $COMP_CWORD -eq 3 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_queues)" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_options "$command" "$verb")" -- "$cur")
    fi
}

complete -F _ampoule ampoule

# Completion of ampoule for bash. Commands and options are asked of the program itself, so they are always its own.

_ampoule_commands() {
    ampoule help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'
}

# Options of a command; with a second argument only those that take a value.
_ampoule_options() {
    if [ -n "${2-}" ]; then
        ampoule "$1" --help 2>/dev/null | sed -n 's/^  \(--[a-z0-9-]*\) [A-Z].*/\1/p'
    else
        ampoule "$1" --help 2>/dev/null | sed -n 's/^  \(--[a-z0-9-]*\) .*/\1/p'
    fi
}

_ampoule_queues() {
    ampoule queue list --timeout-ms 1000 2>/dev/null
}

_ampoule() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]-}
    COMPREPLY=()
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
        _ampoule_options "$command" value | grep -qx -- "$prev" && return
        ;;
    esac
    if [ "$command" = help ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_commands)" -- "$cur")
    elif [ "$command" = key ] && [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "create list rotate disable" -- "$cur")
    elif [ "$command" = queue ] && [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "create list show set tag untag purge delete move tasks cancel" -- "$cur")
    elif [ "$command" = subscribe ] && [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "list delete rotate test $(_ampoule_queues)" -- "$cur")
    elif [[ $command =~ ^(send|receive)$ && $COMP_CWORD -eq 2 || $command = queue && $COMP_CWORD -eq 3 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_queues)" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(_ampoule_options "$command")" -- "$cur")
    fi
}

complete -F _ampoule ampoule

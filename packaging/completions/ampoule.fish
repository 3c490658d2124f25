# Completion of ampoule for fish. Commands and options are asked of the program itself, so they are always its own.

function __ampoule_commands
    ampoule help 2>/dev/null | string replace -rf '^  ([a-z]+) +(.*)$' '$1\t$2' | string match -rv '^ampoule\t'
end

# Options of a command, but for those that its help says are for other verbs: "create: ...".
function __ampoule_options
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return
    set -l verb '[a-z]+'
    if contains -- $words[2] key queue subscribe; and string match -qr '^[a-z]+$' -- $words[3]
        set verb $words[3]
    end
    ampoule $words[2] --help 2>/dev/null |
        string match -rv "^  --[a-z0-9-]+( [A-Z]\S*)? +(?!([a-z]+, )*$verb(, [a-z]+)*: )([a-z]+, )*[a-z]+: " |
        string replace -rf '^  (--[a-z0-9-]+)( [A-Z]\S*)? +(.*)$' '$1\t$3'
end

function __ampoule_after
    set -l words (commandline -opc)
    contains -- $words[-1] $argv
end

function __ampoule_queues
    ampoule queue list --timeout-ms 1000 2>/dev/null
end

function __ampoule_at
    set -l words (commandline -opc)
    test (count $words) -eq $argv[1]; and contains -- $words[2] $argv[2..]
end

set -l files --ca --secret-file --svg --socket --state --jwk --webhook-secret
set -l queues --queue --dead-letter
set -l values $files $queues --op --tls --may

complete -c ampoule -f
complete -c ampoule -n __fish_use_subcommand -a '(__ampoule_commands)'
complete -c ampoule -n '__fish_seen_subcommand_from help' -a '(__ampoule_commands)'
complete -c ampoule -n '__ampoule_at 2 key' -a 'create list rotate disable delete'
complete -c ampoule -n '__ampoule_at 2 queue' -a 'create list show set tag untag purge delete move tasks cancel'
complete -c ampoule -n '__ampoule_at 2 subscribe' -a 'list delete rotate test'
complete -c ampoule -n '__ampoule_at 2 send receive subscribe; or __ampoule_at 3 queue' -a '(__ampoule_queues)'
complete -c ampoule -n "__ampoule_after $queues" -a '(__ampoule_queues)'
complete -c ampoule -n "not __fish_use_subcommand; and not __ampoule_after $values" -a '(__ampoule_options)'
complete -c ampoule -n "__ampoule_after $files" -F
complete -c ampoule -n '__ampoule_after --op' -a 'tokenize redeem claim inspect send queue get'
complete -c ampoule -n '__ampoule_after --tls' -a '1.2 1.3'
complete -c ampoule -n '__ampoule_after --may' -a 'tokenize claim inspect revoke send receive manage all'

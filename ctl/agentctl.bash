# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of agentctl for bash. Made by `agentctl help --completion` from the table of
# verbs: do not edit.

# The words that go on with a verb, or ("") begin one.
_agentctl_words()
{
    case $1 in
        "") echo "status top health metrics cost events logs config restart reload scale drain undrain stress upgrade load watch version help" ;;
        config) echo "check show" ;;
        stress) echo "on off status" ;;
    esac
}

# The options that a verb takes.
_agentctl_options()
{
    case $1 in
        "status") echo "--socket --json --no-color --help --names" ;;
        "top") echo "--socket --json --no-color --help --once --interval" ;;
        "health") echo "--socket --json --no-color --help" ;;
        "metrics") echo "--socket --json --no-color --help --dry-run" ;;
        "cost") echo "--socket --json --no-color --help" ;;
        "events") echo "--socket --json --no-color --help --follow --lines --since --verbose" ;;
        "logs") echo "--socket --json --no-color --help --follow --lines" ;;
        "config check") echo "--socket --json --no-color --help --config --config-dir" ;;
        "config show") echo "--socket --json --no-color --help --config --config-dir" ;;
        "restart") echo "--socket --json --no-color --help --core --wait --timeout" ;;
        "reload") echo "--socket --json --no-color --help --app --wait --timeout" ;;
        "scale") echo "--socket --json --no-color --help --wait --timeout" ;;
        "drain") echo "--socket --json --no-color --help --wait --timeout" ;;
        "undrain") echo "--socket --json --no-color --help --wait --timeout" ;;
        "stress on") echo "--socket --json --no-color --help --wait --timeout --for --load --cores --priority" ;;
        "stress off") echo "--socket --json --no-color --help --wait --timeout" ;;
        "stress status") echo "--socket --json --no-color --help" ;;
        "upgrade") echo "--socket --json --no-color --help --wait --timeout" ;;
        "load") echo "--socket --json --no-color --help --rate --connections --new-connections --data --for" ;;
        "watch") echo "--socket --json --no-color --help --for --interval" ;;
        "version") echo "--socket --json --no-color --help" ;;
        "help") echo "--socket --json --no-color --help --completion --man" ;;
        *) echo "--socket --json --no-color --help" ;;
    esac
}

# What an option's value is; nothing for a flag.
_agentctl_value()
{
    case $1 in
        --socket) echo file ;;
        --lines | -n) echo other ;;
        --since) echo other ;;
        --config) echo file ;;
        --config-dir) echo directory ;;
        --app) echo target ;;
        --timeout) echo other ;;
        --rate) echo other ;;
        --connections) echo other ;;
        --data) echo other ;;
        --for) echo other ;;
        --interval) echo other ;;
        --load) echo other ;;
        --cores) echo other ;;
        --priority) echo priority ;;
    esac
}

# What a verb's argument is; nothing if it takes none.
_agentctl_argument()
{
    case $1 in
        "logs") echo target ;;
        "restart") echo target ;;
        "scale") echo target ;;
        "load") echo other ;;
        "watch") echo other ;;
        "help") echo verb ;;
    esac
}

_agentctl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verb="" target="" socket=${AGENTCTL_SOCKET:-} words="" word i

    # Readline makes a word of the '=' in --option=value.
    if [ "$current" = "=" ]; then
        current=""
    elif [ "$previous" = "=" ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == -* ]]; then
            [ -n "$(_agentctl_value "$word")" ] || continue
            [ "${COMP_WORDS[i + 1]}" = "=" ] && i=$((i + 1))
            i=$((i + 1))
            [ "$word" = --socket ] && socket=${COMP_WORDS[i]}
        elif [ -z "$verb" ]; then
            verb=$word
        elif [ -n "$(_agentctl_words "$verb")" ]; then
            verb="$verb $word"
        else
            target=$word
        fi
    done

    case $(_agentctl_value "$previous") in
        file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        directory)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return ;;
        priority)
            mapfile -t COMPREPLY < <(compgen -W "idle normal" -- "$current")
            return ;;
        other) return ;;
    esac
    if [[ $current == -* ]]; then
        words=$(_agentctl_options "$verb")
    elif [ -n "$(_agentctl_words "$verb")" ]; then
        words=$(_agentctl_words "$verb")
    elif [ -z "$target" ]; then
        case $(_agentctl_argument "$verb") in
            target) words=$(agentctl ${socket:+--socket "$socket"} status --names 2>/dev/null) ;;
            verb) words=$(_agentctl_words "") ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _agentctl agentctl

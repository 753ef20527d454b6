/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of verbs.h as data. What is done with them is the command line's. */
#include "common/schema/verbs.h"

#include "common/base/macro.h"

const struct verb_info *verb_info(enum verb verb)
{
#define VERB_INFO_(identifier, function, verb_name, verb_arguments, min, max, verb_value,          \
                   verb_options, verb_codes, verb_summary, verb_help)                              \
    [VERB_##identifier] = {                                                                        \
        .name = verb_name,                                                                         \
        .arguments = verb_arguments,                                                               \
        .arguments_min = min,                                                                      \
        .arguments_max = max,                                                                      \
        .value = verb_value,                                                                       \
        .options = (verb_options) | VERB_OPTIONS_GLOBAL,                                           \
        .codes = verb_codes,                                                                       \
        .summary = verb_summary,                                                                   \
        .help = verb_help,                                                                         \
    },
    static const struct verb_info verbs[VERB_COUNT_] = {VERBS(VERB_INFO_)};
#undef VERB_INFO_
    return &verbs[verb];
}

const struct verb_option_info *verb_option_info(enum verb_option option)
{
#define VERB_OPTION_INFO_(identifier, option_letter, option_name, option_value_name, option_value, \
                          option_help)                                                             \
    [VERB_OPTION_##identifier] = {                                                                 \
        .letter = option_letter,                                                                   \
        .name = option_name,                                                                       \
        .value_name = option_value_name,                                                           \
        .value = option_value,                                                                     \
        .help = option_help,                                                                       \
    },
    static const struct verb_option_info options[VERB_OPTION_COUNT_] = {
        VERB_OPTIONS(VERB_OPTION_INFO_)};
#undef VERB_OPTION_INFO_
    return &options[option];
}

const char *exit_code_help(unsigned code)
{
    static const char *const help[] = {
        [EXIT_CODE_OK] = "Done; for health: healthy",
        [EXIT_CODE_FAILED] = "It was tried and failed",
        [EXIT_CODE_USAGE] = "The command line, or a configuration file to check, is wrong",
        [EXIT_CODE_NOT_HEALTHY] = "The node is not healthy",
        [EXIT_CODE_UNREACHABLE] = ("The daemon is not reachable, or can't answer now; for load and "
                                   "watch: nothing answered"),
        [EXIT_CODE_NOT_PERMITTED] = "Not permitted",
        [EXIT_CODE_TIMED_OUT] = "Accepted, but not done within the timeout",
        [EXIT_CODE_REFUSED] = "Refused in the state that the daemon is in",
    };
    return code < ARRAY_SIZE(help) ? help[code] : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any text either loads, and then prints as a file that loads to the same values, or is refused
 * with one line. */
#include "common/schema/config-image.h"
#include "common/schema/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig 1.5 loses the string that it was reading when it meets a syntax error: a few bytes a
 * refused file, and nothing that we could free. All other leaks count. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    /* By the library's name: without llvm-symbolizer no function has one. */
    return "leak:libconfig.so\n";
}

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static int load(const char *text, size_t length, struct config **ret)
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    char error[CONFIG_ERROR_MAX] = "";
    int r = config_image_from_text("fuzz", text, length, &image);
    REQUIRE(r == 0);
    r = config_load(image, ret, error);
    REQUIRE(r == 0 || r == -EINVAL);
    REQUIRE((r == 0) == (error[0] == '\0'));
    REQUIRE(strlen(error) < sizeof(error) && !strchr(error, '\n'));
    REQUIRE(r == 0 || strncmp(error, "fuzz:", 5) == 0);
    return r;
}

static void print(struct config *config, bool with_origins, struct buffer *buffer)
{
    struct config_origins *origins = config->origins;
    if (!with_origins)
        config->origins = NULL;
    buffer_init(buffer, 8u << 20);
    REQUIRE(config_print(config, buffer) == 0);
    config->origins = origins;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(config_freep) struct config *first = NULL;
    if (size > CONFIG_FILE_LIMIT || load((const char *) data, size, &first) < 0)
        return 0;

    CLEANUP(config_freep) struct config *second = NULL;
    CLEANUP(buffer_done) struct buffer printed, before, after;
    print(first, true, &printed);
    if (printed.length > CONFIG_FILE_LIMIT) {
        buffer_init(&before, 0);
        buffer_init(&after, 0);
        return 0;
    }
    REQUIRE(load(printed.data, printed.length, &second) == 0);
    print(first, false, &before);
    print(second, false, &after);
    REQUIRE(before.length == after.length && memcmp(before.data, after.data, before.length) == 0);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials from outside: the first byte chooses JSON, shared file, STS or a container's URL.
 * What is taken is fit for a header. */
#include "common/aws/credentials-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_visible(const char *text, size_t most)
{
    size_t length = strlen(text);

    require(length > 0 && length <= most);
    for (size_t i = 0; i < length; i++)
        require(text[i] > ' ' && text[i] <= '~');
}

static void require_nothing(const struct credentials *c)
{
    require(!c->access_key_id && !c->secret_access_key && !c->session_token);
}

static void check(int r, struct credentials *c)
{
    if (r < 0) {
        require_nothing(c);
        require(r == -EBADMSG || r == -ENOENT || r == -EKEYREJECTED);
        return;
    }
    require_visible(c->access_key_id, CREDENTIALS_KEY_MAX);
    require_visible(c->secret_access_key, CREDENTIALS_KEY_MAX);
    if (c->session_token)
        require_visible(c->session_token, CREDENTIALS_TOKEN_MAX);
    credentials_done(c);
    require_nothing(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data + 1;
    struct credentials c = {0};
    char *copy;
    uint64_t time_us;

    if (size < 1 || size > 65536)
        return 0;
    switch (data[0]) {
    case 'j':
        check(credentials_parse_json(text, size - 1, &c), &c);
        break;
    case 'f':
        check(credentials_parse_profile(text, size - 1, "default", false, &c), &c);
        break;
    case 'c':
        check(credentials_parse_profile(text, size - 1, "prod", true, &c), &c);
        break;
    case 's':
        check(credentials_parse_sts(text, size - 1, &c), &c);
        break;
    default:
        copy = strndup(text, size - 1);
        (void) credentials_container_url_is_allowed(copy);
        if (credentials_parse_time(copy, &time_us) == 0)
            require(time_us > 0);
        free(copy);
    }
    return 0;
}

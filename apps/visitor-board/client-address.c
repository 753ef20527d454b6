/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/client-address.h"

#include "common/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define SEPARATORS ", \t\n"
#define TEXT_SIZE  64u /* an address with brackets, port or prefix */
#define V4_BITS    96u /* before an IPv4 address */

static bool is_v4(const struct client_address *address)
{
    static const uint8_t PREFIX[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return memcmp(address->bytes, PREFIX, sizeof(PREFIX)) == 0;
}

static int parse_plain(const char *text, struct client_address *ret)
{
    struct client_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

    if (inet_pton(AF_INET, text, address.bytes + V4_BITS / 8) != 1 &&
        inet_pton(AF_INET6, text, address.bytes) != 1)
        return -EINVAL;
    *ret = address;
    return 0;
}

static bool is_port(const char *text)
{
    uint64_t port;

    return text_parse_u64(text, 0, UINT16_MAX, &port) == 0;
}

int client_address_parse(const char *text, size_t length, struct client_address *ret)
{
    char copy[TEXT_SIZE];
    char *end;

    if (length >= sizeof(copy) || memchr(text, '\0', length))
        return -EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (copy[0] == '[') {
        end = strchr(copy, ']');
        if (!end || (end[1] && !(end[1] == ':' && is_port(end + 2))))
            return -EINVAL;
        *end = '\0';
        return strchr(copy, ':') ? parse_plain(copy + 1, ret) : -EINVAL;
    }
    end = strchr(copy, ':');
    if (end && !strchr(end + 1, ':')) { /* one colon: IPv4 and its port */
        if (!is_port(end + 1))
            return -EINVAL;
        *end = '\0';
    }
    return parse_plain(copy, ret);
}

/* Whether the first |bits| of both are the same. */
static bool is_same(const struct client_address *a, const struct client_address *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    return memcmp(a->bytes, b->bytes, bytes) == 0 &&
           (rest == 0 || (a->bytes[bytes] ^ b->bytes[bytes]) >> (8 - rest) == 0);
}

static void cut(struct client_address *address, unsigned bits)
{
    for (unsigned i = 0; i < sizeof(address->bytes); i++)
        if (i * 8 >= bits)
            address->bytes[i] = 0;
        else if (bits - i * 8 < 8)
            address->bytes[i] &= (uint8_t) (0xff << (8 - (bits - i * 8)));
}

static int parse_network(const char *text, size_t length, struct client_network *ret)
{
    struct client_network network = {.bits = 128};
    struct client_address whole;
    char copy[TEXT_SIZE];
    char *slash;
    uint64_t bits;

    if (length >= sizeof(copy))
        return -EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    slash = strchr(copy, '/');
    if (slash)
        *slash = '\0';
    if (parse_plain(copy, &network.address) < 0)
        return -EINVAL;
    if (slash) {
        unsigned before = strchr(copy, ':') ? 0 : V4_BITS;

        if (text_parse_u64(slash + 1, 0, 128 - before, &bits) < 0)
            return -EINVAL;
        network.bits = before + (unsigned) bits;
    }
    whole = network.address;
    cut(&whole, network.bits);
    if (memcmp(&whole, &network.address, sizeof(whole)) != 0)
        return -EINVAL;
    *ret = network;
    return 0;
}

int client_proxies_parse(const char *text, struct client_proxies *ret, const char **ret_bad,
                         size_t *ret_bad_length)
{
    struct client_proxies proxies = {0};

    for (text += strspn(text, SEPARATORS); *text; text += strspn(text, SEPARATORS)) {
        size_t length = strcspn(text, SEPARATORS);

        if (length == strlen("unix") && memcmp(text, "unix", length) == 0) {
            proxies.unix_sockets = true;
        } else if (proxies.n == CLIENT_PROXIES_MAX) {
            return -E2BIG;
        } else if (parse_network(text, length, &proxies.networks[proxies.n++]) < 0) {
            *ret_bad = text;
            *ret_bad_length = length;
            return -EINVAL;
        }
        text += length;
    }
    *ret = proxies;
    return 0;
}

static bool is_trusted(const struct client_address *address, const struct client_proxies *proxies)
{
    for (size_t i = 0; i < proxies->n; i++)
        if (is_same(address, &proxies->networks[i].address, proxies->networks[i].bits))
            return true;
    return false;
}

bool client_proxies_contain(const struct client_proxies *proxies, const char *peer)
{
    struct client_address address;

    if (client_address_parse(peer, strlen(peer), &address) < 0)
        return proxies->unix_sockets && strcmp(peer, "unix") == 0;
    return is_trusted(&address, proxies);
}

/* The last member of a list that ends at |*end|, which moves before it. False: none is left. */
static bool take_last(const char *line, const char **end, const char **ret, size_t *ret_length)
{
    const char *last = *end;

    while (last > line && strchr(SEPARATORS, last[-1]))
        last--;
    *ret_length = 0;
    while (last > line && !strchr(SEPARATORS, last[-1])) {
        last--;
        ++*ret_length;
    }
    *ret = *end = last;
    return *ret_length > 0;
}

void client_address_find(struct client_address *ret, const char *peer, const char *const lines[],
                         size_t n_lines, const struct client_proxies *trusted)
{
    struct client_address address = {0};
    bool go_on = client_proxies_contain(trusted, peer);

    (void) client_address_parse(peer, strlen(peer), &address);
    while (go_on && n_lines > 0) {
        const char *line = lines[--n_lines], *end = line + strlen(line), *text;
        size_t length;

        while (go_on && take_last(line, &end, &text, &length))
            go_on =
                client_address_parse(text, length, &address) == 0 && is_trusted(&address, trusted);
    }
    *ret = address;
}

void client_address_cut(struct client_address *address)
{
    if (!is_v4(address))
        cut(address, 64);
}

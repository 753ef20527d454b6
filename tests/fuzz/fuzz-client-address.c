/* SPDX-License-Identifier: Apache-2.0 */
/* The input's first line is a list of proxies, the rest are lines of X-Forwarded-For: whatever they
 * say, the client found is the peer or one that the lines name, and the list means what it says. */
#include "apps/visitor-board/client-address.h"

#include <stdio.h>
#include <string.h>

#define PEER "10.0.0.1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_network(const struct client_network *network)
{
    require(network->bits <= 128);
    for (unsigned bit = network->bits; bit < 128; bit++)
        require(!(network->address.bytes[bit / 8] >> (7 - bit % 8) & 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = malloc(size + 1);
    struct client_proxies proxies = {0};
    struct client_address found, peer, cut;
    const char *lines[CLIENT_LINES_MAX], *bad;
    size_t n = 0, bad_length;
    char *rest = text, *line;

    memcpy(text, data, size);
    text[size] = '\0';
    line = strsep(&rest, "\n");
    if (client_proxies_parse(line, &proxies, &bad, &bad_length) < 0)
        proxies = (struct client_proxies){0};
    require(proxies.n <= CLIENT_PROXIES_MAX);
    for (size_t i = 0; i < proxies.n; i++)
        check_network(&proxies.networks[i]);
    while (n < CLIENT_LINES_MAX && rest && (line = strsep(&rest, "\n")))
        lines[n++] = line;
    require(client_address_parse(PEER, strlen(PEER), &peer) == 0);
    client_address_find(&found, PEER, lines, n, &proxies);
    if (!client_proxies_contain(&proxies, PEER))
        require(memcmp(&found, &peer, sizeof(found)) == 0);
    cut = found;
    client_address_cut(&cut);
    require(memcmp(&found, &cut, 8) == 0);
    return 0;
}

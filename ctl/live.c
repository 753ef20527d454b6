/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/live.h"

#include "common/base/files.h"

#include <string.h>
#include <sys/ioctl.h>

#define ROWS_DEFAULT 24u
#define ROWS_MIN     4u
#define TEXT_LIMIT   (256u * 1024)

static struct winsize find_size(int fd)
{
    struct winsize size = {.ws_row = 0};

    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        size = (struct winsize){.ws_row = ROWS_DEFAULT, .ws_col = DISPLAY_COLUMNS_DEFAULT};
    return size;
}

void live_init(struct live *ret, int fd)
{
    *ret = (struct live){.fd = fd};
}

/* One is the cursor's, below the lines. */
unsigned live_rows(const struct live *live)
{
    unsigned rows = find_size(live->fd).ws_row;

    return MAX(rows, ROWS_MIN + 1) - 1;
}

int live_draw(struct live *live, const char *text)
{
    CLEANUP(buffer_done) struct buffer out = {.data = NULL};
    struct winsize size = find_size(live->fd);
    unsigned lines = 0, lines_max = live_rows(live);

    buffer_init(&out, TEXT_LIMIT);
    /* Terminals break lines anew when they get narrower: where the old ones begin is not known. */
    if (live->lines > 0 && (size.ws_col != live->columns || size.ws_row != live->rows))
        buffer_append_string(&out, "\033[H\033[2J");
    else if (live->lines > 0)
        buffer_printf(&out, "\033[%uA", live->lines);
    for (const char *end; lines < lines_max && (end = strchr(text, '\n')); text = end + 1, lines++)
        buffer_printf(&out, "\r%.*s\033[K\r\n", (int) (end - text), text);
    buffer_append_string(&out, "\033[J");
    live->lines = lines;
    live->columns = size.ws_col;
    live->rows = size.ws_row;
    return fd_write_all(live->fd, out.data, out.length);
}

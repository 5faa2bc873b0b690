/* Reads a u32 n, prints n bytes to standard output in lines of 64 (63 letters and a line feed; the last line
 * may be cut short), and commits n. Many bytes for few cycles: what a guest prints has to be bounded by whoever
 * runs it. */
#include "rt.h"

#define LINE 64u
#define LINES 16u

_Noreturn void guest_main(void)
{
    struct guest guest;
    guest_begin(&guest);
    uint32_t n = guest_read_u32(&guest);

    uint8_t lines[LINE * LINES];
    for (uint32_t i = 0; i < sizeof lines; i++) {
        uint32_t column = i % LINE;
        lines[i] = column == LINE - 1 ? (uint8_t)'\n' : (uint8_t)('a' + column % 26);
    }
    for (uint32_t written = 0; written < n;) {
        uint32_t length = n - written < sizeof lines ? n - written : (uint32_t)sizeof lines;
        guest_write(FD_STDOUT, lines, length);
        written += length;
    }
    guest_commit_u32(&guest, n);
    guest_finish(&guest, EXIT_SUCCESS);
}

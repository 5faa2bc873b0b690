/* Reads a u32 n and commits n bytes of public values: byte i is i modulo 251, a prime, so that a chunk which is
 * lost or doubled shows. About 105 cycles a byte, most of them SHA-256. */
#include "rt.h"

#define CHUNK 1024u

_Noreturn void guest_main(void)
{
    struct guest guest;
    guest_begin(&guest);
    uint32_t n = guest_read_u32(&guest);

    uint8_t chunk[CHUNK];
    uint32_t value = 0;
    for (uint32_t written = 0; written < n;) {
        uint32_t length = n - written < CHUNK ? n - written : CHUNK;
        for (uint32_t i = 0; i < length; i++) {
            chunk[i] = (uint8_t)value;
            value = value == 250 ? 0 : value + 1;
        }
        guest_commit(&guest, chunk, length);
        written += length;
    }
    guest_finish(&guest, EXIT_SUCCESS);
}

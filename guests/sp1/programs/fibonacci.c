/* Reads a u32 n and commits n, F(n) and F(n+1) as three u32, little-endian, where F(0) = 0, F(1) = 1 and every
 * sum is taken modulo 7919. The program that proofs are made of: n sets how many cycles it takes. */
#include "rt.h"

#define MODULUS 7919u

_Noreturn void guest_main(void)
{
    struct guest guest;
    guest_begin(&guest);
    uint32_t n = guest_read_u32(&guest);

    uint32_t current = 0;
    uint32_t next = 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t sum = (current + next) % MODULUS;
        current = next;
        next = sum;
    }

    guest_commit_u32(&guest, n);
    guest_commit_u32(&guest, current);
    guest_commit_u32(&guest, next);
    guest_finish(&guest, EXIT_SUCCESS);
}

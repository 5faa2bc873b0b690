/* System calls, input and output of the C guests for SP1 6 (see rt.h). */
#include "rt.h"

/* Call numbers of SP1 6: the number goes in t0, arguments in a0 to a2, the result comes back in t0. */
enum {
    CALL_HALT = 0x00,
    CALL_WRITE = 0x02,
    CALL_COMMIT = 0x10,
    CALL_COMMIT_DEFERRED = 0x1A,
    CALL_HINT_LENGTH = 0xF0,
    CALL_HINT_READ = 0xF1,
};

/* Input goes here and upwards: memory of no segment, which nothing but HINT_READ writes. */
#define INPUT_START 0x90000000ull

#define INPUT_EXHAUSTED UINT64_MAX

/* Arguments are 64 bits wide on purpose: a u32 in a register is sign-extended by the calling convention, and
 * COMMIT wants it zero-extended. */
static inline uint64_t call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
    register uint64_t t0 __asm__("t0") = number;
    register uint64_t a0 __asm__("a0") = first;
    register uint64_t a1 __asm__("a1") = second;
    register uint64_t a2 __asm__("a2") = third;
    __asm__ volatile("ecall" : "+r"(t0) : "r"(a0), "r"(a1), "r"(a2) : "memory");
    return t0;
}

_Noreturn static void halt(uint64_t exit_code)
{
    call(CALL_HALT, exit_code, 0, 0);
    for (;;) {
    }
}

/* The digest's bytes are read as little-endian words by COMMIT; SHA-256 has them big-endian. Written out:
 * __builtin_bswap32 is a library call on rv64im. */
static uint32_t swap_bytes(uint32_t word)
{
    return (word >> 24) | ((word >> 8) & 0xff00u) | ((word << 8) & 0xff0000u) | (word << 24);
}

void guest_begin(struct guest *guest)
{
    sha256_begin(&guest->public_values);
    guest->next_input = INPUT_START;
}

uint64_t guest_hint_length(void)
{
    return call(CALL_HINT_LENGTH, 0, 0, 0);
}

void guest_hint_read(void *to, uint64_t length)
{
    call(CALL_HINT_READ, (uint64_t)to, length, 0);
}

void guest_write(uint64_t descriptor, const void *bytes, uint64_t length)
{
    call(CALL_WRITE, descriptor, (uint64_t)bytes, length);
}

const uint8_t *guest_read(struct guest *guest, uint64_t *length)
{
    *length = guest_hint_length();
    if (*length == INPUT_EXHAUSTED) {
        guest_finish(guest, EXIT_INVALID_INPUT);
    }
    uint8_t *item = (uint8_t *)guest->next_input;
    guest_hint_read(item, *length);
    /* HINT_READ writes whole 8-byte words and always one more than fit the length. */
    guest->next_input += (*length / 8 + 1) * 8;
    return item;
}

uint32_t guest_read_u32(struct guest *guest)
{
    uint64_t length;
    const uint8_t *item = guest_read(guest, &length);
    if (length != 4) {
        guest_finish(guest, EXIT_INVALID_INPUT);
    }
    return (uint32_t)item[0] | (uint32_t)item[1] << 8 | (uint32_t)item[2] << 16 | (uint32_t)item[3] << 24;
}

void guest_commit(struct guest *guest, const uint8_t *bytes, size_t length)
{
    guest_write(FD_PUBLIC_VALUES, bytes, length);
    sha256_update(&guest->public_values, bytes, length);
}

void guest_commit_u32(struct guest *guest, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    guest_commit(guest, bytes, sizeof bytes);
}

_Noreturn void guest_finish(struct guest *guest, uint64_t exit_code)
{
    uint32_t digest[8];
    sha256_finish(&guest->public_values, digest);
    for (uint64_t index = 0; index < 8; index++) {
        call(CALL_COMMIT, index, swap_bytes(digest[index]), 0);
    }
    for (uint64_t index = 0; index < 8; index++) {
        call(CALL_COMMIT_DEFERRED, index, 0, 0);
    }
    halt(exit_code);
}

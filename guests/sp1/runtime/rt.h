/* The runtime of the C guests for SP1 6: input, public values, standard output, and how a program ends.
 *
 * A program defines guest_main and ends it with guest_finish. All state is in struct guest, on the stack.
 */
#ifndef GUEST_RT_H
#define GUEST_RT_H

#include <stddef.h>
#include <stdint.h>

/* Exit codes, the same as those of Rust guests. */
enum {
    EXIT_SUCCESS = 0,
    EXIT_PANIC = 1,
    /* The input does not have the form that the program reads. */
    EXIT_INVALID_INPUT = 3,
};

/* File descriptors of WRITE. */
enum {
    FD_STDOUT = 1,
    FD_PUBLIC_VALUES = 13,
};

/* SHA-256 (FIPS 180-4) over a stream of bytes. */
struct sha256 {
    uint32_t state[8];
    uint8_t block[64];
    uint64_t length; /* bytes seen so far */
};

void sha256_begin(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const uint8_t *bytes, size_t length);
/* The digest as its eight big-endian words: digest byte 4*i is the most significant byte of words[i]. */
void sha256_finish(struct sha256 *hash, uint32_t words[8]);

/* One run of a guest. */
struct guest {
    struct sha256 public_values;
    uint64_t next_input; /* where the next input goes: fresh memory, a multiple of 8 */
};

void guest_begin(struct guest *guest);

/* The raw calls. A length of all ones says that the input is exhausted. */
uint64_t guest_hint_length(void);
void guest_hint_read(void *to, uint64_t length);
void guest_write(uint64_t descriptor, const void *bytes, uint64_t length);

/* Reads the next input item whole into fresh memory and sets its length; halts with EXIT_INVALID_INPUT when
 * there is none. */
const uint8_t *guest_read(struct guest *guest, uint64_t *length);

/* Reads the next input item, which must be one u32 of four bytes, little-endian (bincode's form). */
uint32_t guest_read_u32(struct guest *guest);

/* Appends to the public values. */
void guest_commit(struct guest *guest, const uint8_t *bytes, size_t length);
void guest_commit_u32(struct guest *guest, uint32_t value);

/* Commits to the digest of the public values and ends the program. */
_Noreturn void guest_finish(struct guest *guest, uint64_t exit_code);

/* What a program defines. */
_Noreturn void guest_main(void);

#endif

# Entry point of every guest: sets the stack and calls guest_main, which never returns.
# The machine starts with all registers and all memory zero.
    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    # The stack grows down from the lowest address that an ELF segment may have (link.ld).
    li sp, 0x78000000
    call guest_main
    .size _start, . - _start

/* Reads nothing, commits nothing and exits with code 1, as a program that panics does. */
#include "rt.h"

_Noreturn void guest_main(void)
{
    struct guest guest;
    guest_begin(&guest);
    guest_finish(&guest, EXIT_PANIC);
}

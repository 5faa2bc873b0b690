/* Never ends: only a limit on cycles or on time stops it. */
#include "rt.h"

_Noreturn void guest_main(void)
{
    for (;;) {
        __asm__ volatile("");
    }
}

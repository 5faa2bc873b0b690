/* Reads every input item there is and then one more, without asking whether there is one. */
#include "rt.h"

_Noreturn void guest_main(void)
{
    struct guest guest;
    guest_begin(&guest);
    while (guest_hint_length() != UINT64_MAX) {
        uint64_t length;
        guest_read(&guest, &length);
    }
    guest_hint_read((void *)guest.next_input, 4);
    guest_finish(&guest, EXIT_SUCCESS);
}

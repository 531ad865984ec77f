#include "engine/background.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Raw calls: some C libraries have wrappers that only fail. */
static int set_policy(int policy)
{
    const struct sched_param none = { 0 };
    return (int) syscall(SYS_sched_setscheduler, 0, policy, &none);
}

bool background_enter(void)
{
    return syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER && set_policy(SCHED_BATCH) == 0;
}

void background_leave(void)
{
    (void) set_policy(SCHED_OTHER);
}

/* Checked variants of functions in <poll.h>: see fortify.h. */
#include_next <poll.h>
#include "fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_POLL)
#define __FORTIFY_POLL

__FORTIFY_BEGIN

__fortify_real(poll);
__fortify_inline int poll(struct pollfd *__fortify_sized __fds, nfds_t __n, int __timeout)
{
	__fortify_fits(__fortify_times(__n, sizeof(struct pollfd)), __fds);
	return __fortify_poll(__fds, __n, __timeout);
}
__FORTIFY_END

#endif

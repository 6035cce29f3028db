/* Checked variants of functions in <sys/select.h>: see fortify.h. */
#include_next <sys/select.h>
#include "../fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_SELECT)
#define __FORTIFY_SELECT

__FORTIFY_BEGIN

/* A descriptor that a set has no bit for. */
__fortify_static int __fortify_in_set(int __fd)
{
	if (__fd < 0 || __fd >= FD_SETSIZE)
		__builtin_trap();
	return __fd;
}

#undef FD_SET
#undef FD_CLR
#undef FD_ISSET
#define __fortify_bit(fd) (1UL << ((fd) % (8 * (int)sizeof(long))))
#define __fortify_word(fd, set) ((set)->fds_bits[(fd) / (8 * (int)sizeof(long))])
__fortify_static void __fortify_fd_set(int __fd, fd_set *__set)
{
	__fortify_word(__fortify_in_set(__fd), __set) |= __fortify_bit(__fd);
}
__fortify_static void __fortify_fd_clr(int __fd, fd_set *__set)
{
	__fortify_word(__fortify_in_set(__fd), __set) &= ~__fortify_bit(__fd);
}
__fortify_static int __fortify_fd_isset(int __fd, const fd_set *__set)
{
	return !!(__fortify_word(__fortify_in_set(__fd), __set) & __fortify_bit(__fd));
}
#define FD_SET(fd, set) __fortify_fd_set(fd, set)
#define FD_CLR(fd, set) __fortify_fd_clr(fd, set)
#define FD_ISSET(fd, set) __fortify_fd_isset(fd, set)
__FORTIFY_END

#endif

/* Checked variants of functions in <sys/socket.h>: see fortify.h. */
#include_next <sys/socket.h>
#include "../fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_SOCKET)
#define __FORTIFY_SOCKET

__FORTIFY_BEGIN

__fortify_real(recv);
__fortify_inline ssize_t recv(int __fd, void *__fortify_sized __to, size_t __n, int __flags)
{
	__fortify_fits(__n, __to);
	return __fortify_recv(__fd, __to, __n, __flags);
}

__fortify_real(recvfrom);
__fortify_inline ssize_t recvfrom(int __fd, void *__fortify_sized __to, size_t __n, int __flags,
	struct sockaddr *__address, socklen_t *__length)
{
	__fortify_fits(__n, __to);
	return __fortify_recvfrom(__fd, __to, __n, __flags, __address, __length);
}

__fortify_real(send);
__fortify_inline ssize_t send(int __fd, const void *__fortify_sized __from, size_t __n, int __flags)
{
	__fortify_fits(__n, __from);
	return __fortify_send(__fd, __from, __n, __flags);
}

__fortify_real(sendto);
__fortify_inline ssize_t sendto(int __fd, const void *__fortify_sized __from, size_t __n, int __flags,
	const struct sockaddr *__address, socklen_t __length)
{
	__fortify_fits(__n, __from);
	return __fortify_sendto(__fd, __from, __n, __flags, __address, __length);
}
__FORTIFY_END

#endif

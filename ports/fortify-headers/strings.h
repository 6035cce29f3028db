/* Checked variants of functions in <strings.h>: see fortify.h. */
#include_next <strings.h>
#include "fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_STRINGS)
#define __FORTIFY_STRINGS

__FORTIFY_BEGIN

#if defined(_GNU_SOURCE) || defined(_BSD_SOURCE) || (defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE < 200809L)
__fortify_inline void bcopy(const void *__fortify_sized __from, void *__fortify_sized __to, __SIZE_TYPE__ __n)
{
	__fortify_fits(__n, __to);
	__fortify_fits(__n, __from);
	__builtin_memmove(__to, __from, __n);
}

__fortify_inline void bzero(void *__fortify_sized __to, __SIZE_TYPE__ __n)
{
	__fortify_fits(__n, __to);
	__builtin_memset(__to, 0, __n);
}
#endif
__FORTIFY_END

#endif

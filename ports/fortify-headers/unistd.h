/* Checked variants of functions in <unistd.h>: see fortify.h. */
#include_next <unistd.h>
#include "fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_UNISTD)
#define __FORTIFY_UNISTD

__FORTIFY_BEGIN

__fortify_real(read);
__fortify_inline ssize_t read(int __fd, void *__fortify_sized __to, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_read(__fd, __to, __n);
}

__fortify_real(write);
__fortify_inline ssize_t write(int __fd, const void *__fortify_sized __from, size_t __n)
{
	__fortify_fits(__n, __from);
	return __fortify_write(__fd, __from, __n);
}

__fortify_real(pread);
__fortify_inline ssize_t pread(int __fd, void *__fortify_sized __to, size_t __n, off_t __at)
{
	__fortify_fits(__n, __to);
	return __fortify_pread(__fd, __to, __n, __at);
}

__fortify_real(pwrite);
__fortify_inline ssize_t pwrite(int __fd, const void *__fortify_sized __from, size_t __n, off_t __at)
{
	__fortify_fits(__n, __from);
	return __fortify_pwrite(__fd, __from, __n, __at);
}

__fortify_real(readlink);
__fortify_inline ssize_t readlink(const char *__path, char *__fortify_sized __to, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_readlink(__path, __to, __n);
}

__fortify_real(readlinkat);
__fortify_inline ssize_t readlinkat(int __fd, const char *__path, char *__fortify_sized __to, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_readlinkat(__fd, __path, __to, __n);
}

__fortify_real(getcwd);
__fortify_inline char *getcwd(char *__fortify_sized __to, size_t __n)
{
	if (__to)
		__fortify_fits(__n, __to);
	return __fortify_getcwd(__to, __n);
}

__fortify_real(gethostname);
__fortify_inline int gethostname(char *__fortify_sized __to, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_gethostname(__to, __n);
}

__fortify_real(ttyname_r);
__fortify_inline int ttyname_r(int __fd, char *__fortify_sized __to, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_ttyname_r(__fd, __to, __n);
}

__fortify_real(getlogin_r);
__fortify_inline int getlogin_r(char *__fortify_sized __to, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_getlogin_r(__to, __n);
}

__fortify_real(confstr);
__fortify_inline size_t confstr(int __name, char *__fortify_sized __to, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_confstr(__name, __to, __n);
}

__fortify_real(getgroups);
__fortify_inline int getgroups(int __n, gid_t *__fortify_sized __to)
{
	if (__n > 0)
		__fortify_fits(__fortify_times((size_t)__n, sizeof(gid_t)), __to);
	return __fortify_getgroups(__n, __to);
}
__FORTIFY_END

#endif

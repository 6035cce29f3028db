/* Where OpenSSH's packages have it. */
#define SFTPSERVER_PATH "/usr/lib/ssh/sftp-server"
#define DEFAULT_PATH "/usr/bin:/bin"
#define DEFAULT_ROOT_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

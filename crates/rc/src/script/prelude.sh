# What every service script can use: openrc-run(8)'s default functions.
ssd_start() {
	if [ -z "$command" ]; then
		return 0
	fi
	local _how="" _retry=""
	if yesno "$command_background"; then
		if [ -z "$pidfile" ]; then
			eerror "command_background is used, so pidfile must be set"
			return 1
		fi
		_how="--background --make-pidfile"
	fi
	ebegin "Starting ${name:-$RC_SVCNAME}"
	if yesno "$start_inactive"; then
		mark_service_inactive
	fi
	eval start-stop-daemon --start \
		${command_interpreter:+--interpreted} \
		--exec '"$command"' \
		${chroot:+--chroot} '${chroot:+"$chroot"}' \
		${directory:+--chdir} '${directory:+"$directory"}' \
		${output_log:+--stdout} '${output_log:+"$output_log"}' \
		${error_log:+--stderr} '${error_log:+"$error_log"}' \
		${output_logger:+--stdout-logger} '${output_logger:+"$output_logger"}' \
		${error_logger:+--stderr-logger} '${error_logger:+"$error_logger"}' \
		${procname:+--name} '${procname:+"$procname"}' \
		${pidfile:+--pidfile} '${pidfile:+"$pidfile"}' \
		${command_user:+--user} '${command_user:+"$command_user"}' \
		${umask:+--umask} '${umask:+"$umask"}' \
		${oom_score_adj:+--oom-score-adj} '${oom_score_adj:+"$oom_score_adj"}' \
		${SSD_OOM_SCORE_ADJ:+--oom-score-adj} ${SSD_OOM_SCORE_ADJ} \
		${SSD_NICELEVEL:+--nicelevel} ${SSD_NICELEVEL} \
		${SSD_IONICELEVEL:+--ionice} ${SSD_IONICELEVEL} \
		${scheduler:+--scheduler} ${scheduler} \
		${scheduler_priority:+--scheduler-priority} ${scheduler_priority} \
		${capabilities:+--capabilities} '${capabilities:+"$capabilities"}' \
		${secbits:+--secbits} ${secbits} \
		${notify:+--notify} ${notify} \
		$_rc_no_new_privs $_how $start_stop_daemon_args \
		-- $command_args $command_args_background
	if eend $? "Failed to start ${name:-$RC_SVCNAME}"; then
		service_set_value command "$command"
		[ -z "$chroot" ] || service_set_value chroot "$chroot"
		[ -z "$pidfile" ] || service_set_value pidfile "$pidfile"
		[ -z "$procname" ] || service_set_value procname "$procname"
		return 0
	fi
	if yesno "$start_inactive"; then
		mark_service_stopped
	fi
	return 1
}

ssd_stop() {
	local _command="$(service_get_value command)" _chroot="$(service_get_value chroot)"
	local _pidfile="$(service_get_value pidfile)" _procname="$(service_get_value procname)"
	command="${_command:-$command}"
	chroot="${_chroot:-$chroot}"
	pidfile="${_pidfile:-$pidfile}"
	procname="${_procname:-$procname}"
	if [ -z "$command$procname$pidfile" ]; then
		return 0
	fi
	ebegin "Stopping ${name:-$RC_SVCNAME}"
	# Where there is a pidfile, it says more than the program does: that may have been replaced.
	eval start-stop-daemon --stop --oknodo \
		${retry:+--retry} '${retry:+"$retry"}' \
		${command:+--exec} '${command:+"$chroot$command"}' \
		${command_interpreter:+--interpreted} \
		${procname:+--name} '${procname:+"$procname"}' \
		${pidfile:+--pidfile} '${pidfile:+"$chroot$pidfile"}' \
		${stopsig:+--signal} '${stopsig:+"$stopsig"}' \
		$stop_args
	eend $? "Failed to stop ${name:-$RC_SVCNAME}"
}

supervise_start() {
	if [ -z "$command" ]; then
		ewarn "The command variable is undefined: there is nothing to start"
		return 1
	fi
	ebegin "Starting ${name:-$RC_SVCNAME}"
	eval supervise-daemon '"$RC_SVCNAME"' --start \
		${retry:+--retry} '${retry:+"$retry"}' \
		${chroot:+--chroot} '${chroot:+"$chroot"}' \
		${directory:+--chdir} '${directory:+"$directory"}' \
		${output_log:+--stdout} '${output_log:+"$output_log"}' \
		${error_log:+--stderr} '${error_log:+"$error_log"}' \
		${output_logger:+--stdout-logger} '${output_logger:+"$output_logger"}' \
		${error_logger:+--stderr-logger} '${error_logger:+"$error_logger"}' \
		${pidfile:+--pidfile} '${pidfile:+"$pidfile"}' \
		${respawn_delay:+--respawn-delay} '${respawn_delay:+"$respawn_delay"}' \
		${respawn_max:+--respawn-max} '${respawn_max:+"$respawn_max"}' \
		${respawn_period:+--respawn-period} '${respawn_period:+"$respawn_period"}' \
		${respawn_delay_step:+--respawn-delay-step} '${respawn_delay_step:+"$respawn_delay_step"}' \
		${respawn_delay_cap:+--respawn-delay-cap} '${respawn_delay_cap:+"$respawn_delay_cap"}' \
		${healthcheck_timer:+--healthcheck-timer} '${healthcheck_timer:+"$healthcheck_timer"}' \
		${healthcheck_delay:+--healthcheck-delay} '${healthcheck_delay:+"$healthcheck_delay"}' \
		${command_user:+--user} '${command_user:+"$command_user"}' \
		${umask:+--umask} '${umask:+"$umask"}' \
		${oom_score_adj:+--oom-score-adj} '${oom_score_adj:+"$oom_score_adj"}' \
		${SSD_OOM_SCORE_ADJ:+--oom-score-adj} ${SSD_OOM_SCORE_ADJ} \
		${SSD_NICELEVEL:+--nicelevel} ${SSD_NICELEVEL} \
		${SSD_IONICELEVEL:+--ionice} ${SSD_IONICELEVEL} \
		${scheduler:+--scheduler} ${scheduler} \
		${scheduler_priority:+--scheduler-priority} ${scheduler_priority} \
		${capabilities:+--capabilities} '${capabilities:+"$capabilities"}' \
		${secbits:+--secbits} ${secbits} \
		${notify:+--notify} ${notify} \
		$_rc_no_new_privs ${supervise_daemon_args:-$start_stop_daemon_args} \
		'"$command"' -- $command_args $command_args_foreground
	if eend $? "Failed to start ${name:-$RC_SVCNAME}"; then
		[ -z "$pidfile" ] || service_set_value pidfile "$pidfile"
		return 0
	fi
	return 1
}

supervise_stop() {
	local _pidfile="$(service_get_value pidfile)"
	pidfile="${_pidfile:-$pidfile}"
	ebegin "Stopping ${name:-$RC_SVCNAME}"
	supervise-daemon "$RC_SVCNAME" --stop ${pidfile:+--pidfile} ${pidfile:+"$pidfile"}
	eend $? "Failed to stop ${name:-$RC_SVCNAME}"
}

default_start() {
	case "$supervisor" in
	supervise-daemon) supervise_start ;;
	"" | start-stop-daemon) ssd_start ;;
	s6 | runit)
		eerror "supervisor=$supervisor: that program's own folders of services are not supported"
		return 1
		;;
	*)
		ewarn "supervisor=$supervisor is not known: start-stop-daemon is used"
		ssd_start
		;;
	esac
}

default_stop() {
	case "$supervisor" in
	supervise-daemon) supervise_stop ;;
	*) ssd_stop ;;
	esac
}

default_status() {
	if service_stopping; then
		ewarn "status: stopping"
		return 4
	elif service_starting; then
		ewarn "status: starting"
		return 8
	elif service_inactive; then
		ewarn "status: inactive"
		return 16
	elif service_started; then
		if service_crashed; then
			local _child="$(service_get_value child_pid)"
			if [ "${_child:-0}" -gt 0 ] && kill -0 "$_child" 2>/dev/null; then
				eerror "status: unsupervised"
				return 64
			fi
			eerror "status: crashed"
			return 32
		fi
		einfo "status: started"
		return 0
	fi
	einfo "status: stopped"
	return 3
}

# rc-functions.sh of OpenRC has these.
need_if_exists() {
	local _service
	for _service; do
		service_exists "$_service" && need "$_service"
	done
	return 0
}

is_net_fs() {
	[ -n "$1" ] || return 1
	mountinfo -q --netdev "$1" && return 0
	mountinfo -q --nonetdev "$1" && return 1
	case "$(mountinfo --fstype "$1")" in
	afs | ceph | cifs | smb3 | coda | davfs | fuse | fuse.sshfs | gfs | glusterfs | lustre) return 0 ;;
	ncpfs | nfs | nfs4 | 9p | ocfs2 | shfs | smbfs) return 0 ;;
	esac
	return 1
}

is_union_fs() {
	return 1
}

cgroup_cleanup() {
	ebegin "Ending what is left of $RC_SVCNAME"
	cgroup_sweep
	eend $?
}

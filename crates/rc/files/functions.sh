# For scripts that are no service scripts: the words of service scripts as programs.
case ":$PATH:" in
*:/lib/rc/bin:*) ;;
*) PATH="/lib/rc/bin:$PATH" ;;
esac

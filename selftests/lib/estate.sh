# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Twenty services of Debian in a machine (machine.sh, debs.sh) with little configuration, and who asks
# them. Clients and servers elsewhere are in the network namespace of host `outside`, with addresses
# of their own; they run on the machine's disk, so that they are the same packages.
#
#	estate_configure            writes it; host `outside` is there, nothing is started
#	estate_start                starts all, and waits until they listen
#	outside ADDRESS CMD...      runs there; programs that can choose take ADDRESS from $from

ESTATE_PACKAGES=(haproxy nginx-light lighttpd redis-server redis-tools memcached postgresql
	stunnel4 unbound dnsmasq nsd bind9-dnsutils mosquitto mosquitto-clients openssh-server vsftpd
	tinyproxy rsyslog chrony snmpd snmp tftpd-hpa tftp-hpa prometheus prometheus-node-exporter
	avahi-daemon avahi-utils curl iputils-ping)
ESTATE_UNITS=(rsyslog nsd dnsmasq unbound redis-server stunnel@shop memcached postgresql@15-shop
	lighttpd nginx haproxy mosquitto ssh vsftpd tinyproxy chrony snmpd tftpd-hpa
	prometheus-node-exporter prometheus avahi-daemon board)

# --- elsewhere -----------------------------------------------------------------------------------

ESTATE_OUTSIDE=(7 8 9 20 25 30 40 53 60 80 90 99 123 250)

estate_wire() {
	local n
	host_make outside || return 1
	nsenter -t "$(cat "$SCOPE_DIR/machine/pid")" -n -- \
		ip link set peer1 netns "$(host_pid outside)" || return 1
	for n in "${ESTATE_OUTSIDE[@]}"; do
		on outside ip addr add "10.77.0.$n/24" dev peer1
		on outside ip addr add "fd77::$n/64" dev peer1 nodad
	done
	on outside ip link set peer1 up
	# one address asks where none is chosen
	on outside ip route replace 10.77.0.0/24 dev peer1 src 10.77.0.8
	on outside ip -6 route add fd77::/64 dev peer1 src fd77::8 metric 1
	on outside ip route add 224.0.0.0/4 dev peer1
	on outside sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv4.ping_group_range="0 2147483647"
}

# Not in a cgroup of the machine: its agent has no part in it.
outside() { # command...
	(
		mkdir -p "$SCOPE_CG/outside" && echo "$BASHPID" > "$SCOPE_CG/outside/cgroup.procs"
		exec nsenter -t "$(cat "$SCOPE_DIR/machine/pid")" -m -p -i -u \
			--net="/proc/$(host_pid outside)/ns/net" -- \
			env -i PATH="$PATH" HOME=/root TERM=dumb ${from:+from="$from"} timeout 15 "$@"
	)
}

elsewhere() { # name command...: a server there
	local name=$1
	shift
	(
		mkdir -p "$SCOPE_CG/outside" && echo "$BASHPID" > "$SCOPE_CG/outside/cgroup.procs"
		exec nsenter -t "$(cat "$SCOPE_DIR/machine/pid")" -m -p -i -u \
			--net="/proc/$(host_pid outside)/ns/net" -- env -i PATH="$PATH" "$@"
	) >> "$SCOPE_DIR/$name.log" 2>&1 < /dev/null &
	disown
}

estate_elsewhere() {
	elsewhere dns dnsmasq -k -C /dev/null --no-resolv --no-hosts --bind-interfaces \
		--listen-address=10.77.0.53 --address=/office.test/10.77.0.80 --local-ttl=0 \
		--address=/six.test/fd77::80 --address=/both.test/10.77.0.80 \
		--address=/both.test/fd77::80 --pid-file=/run/elsewhere-dns.pid
	elsewhere ntp chronyd -x -d -f /etc/elsewhere-chrony.conf
	elsewhere web lighttpd -D -f /etc/elsewhere-lighttpd.conf
	elsewhere log rsyslogd -n -f /etc/elsewhere-rsyslog.conf -i /run/elsewhere-rsyslog.pid
	elsewhere backup python3 "$MACHINE_PEER" serve tcp 10.77.0.90 9000
}

# --- configuration -------------------------------------------------------------------------------

estate_web() {
	inside_write /etc/haproxy/haproxy.cfg <<'CFG'
global
	log 127.0.0.1:514 local0
	user haproxy
	group haproxy
defaults
	mode http
	log global
	option httplog
	timeout connect 2s
	timeout client 10s
	timeout server 10s
frontend shop
	bind :80
	bind :::80 v6only
	default_backend web
backend web
	server four 127.0.0.1:8080 check inter 1s
	server six [::1]:8080 check inter 1s
frontend stats
	bind 10.77.0.1:8404
	bind fd77::1:8404
	http-request use-service prometheus-exporter if { path /metrics }
	stats enable
	stats uri /
CFG
	inside rm -f /etc/nginx/sites-enabled/default
	inside_write /etc/nginx/conf.d/shop.conf <<'CFG'
server {
	listen 127.0.0.1:8080;
	listen [::1]:8080;
	location / { proxy_pass http://127.0.0.1:8000; }
	location /stock {
		set $memcached_key stock;
		memcached_pass [::1]:11211;
	}
}
CFG
	inside_write /etc/lighttpd/lighttpd.conf <<'CFG'
server.document-root = "/var/www/shop"
server.bind = "127.0.0.1"
server.port = 8000
index-file.names = ("index.html")
server.username = "www-data"
CFG
	inside_write /etc/elsewhere-lighttpd.conf <<'CFG'
server.document-root = "/var/www/mirror"
server.bind = "10.77.0.80"
server.port = 8080
index-file.names = ("index.html")
$SERVER["socket"] == "[fd77::80]:8080" { }
CFG
	echo "welcome to the shop" | inside_write /var/www/shop/index.html
	echo "packages" | inside_write /var/www/mirror/index.html
	inside_write /etc/tinyproxy/tinyproxy.conf <<'CFG'
User tinyproxy
Group tinyproxy
Port 8888
Listen 127.0.0.1
Timeout 60
MaxClients 20
Allow 127.0.0.1
CFG
}

estate_data() {
	inside bash -c "printf '%s\n' '-d' '-m 16' '-p 11211' '-U 11211' '-u memcache' \
		'-l 127.0.0.1,::1' '-P /run/memcached/memcached.pid' > /etc/memcached.conf"
	inside pg_createcluster -p 5432 15 shop -- -A trust > "$SCOPE_DIR/pg.log" 2>&1 ||
		cat "$SCOPE_DIR/pg.log"
	inside_write /etc/stunnel/shop.conf <<'CFG'
foreground = yes
pid =
cert = /etc/stunnel/shop.pem
[redis]
accept = :::6380
connect = 127.0.0.1:6379
CFG
	inside openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop -keyout /etc/stunnel/key \
		-out /etc/stunnel/cert > /dev/null 2>&1
	inside bash -c 'cat /etc/stunnel/key /etc/stunnel/cert > /etc/stunnel/shop.pem'
	inside_write /etc/mosquitto/conf.d/shop.conf <<'CFG'
listener 1883
allow_anonymous true
CFG
	inside_write /etc/systemd/system/board.service <<'UNIT'
[Unit]
After=mosquitto.service
[Service]
ExecStart=mosquitto_sub -h 127.0.0.1 -t sensors/#
StandardOutput=append:/var/tmp/board
Restart=always
RestartSec=300ms
UNIT
}

estate_names() {
	echo "nameserver 127.0.0.1" | inside_write /etc/resolv.conf
	# some look up their own host's name when they begin, and whether its server runs by then is luck
	printf '%s %s\n' 127.0.0.1 localhost ::1 localhost 10.77.0.1 bulkhead-test fd77::1 bulkhead-test |
		inside_write /etc/hosts
	inside_write /etc/unbound/unbound.conf <<'CFG'
server:
	interface: 127.0.0.1
	interface: 10.77.0.1
	interface: fd77::1
	access-control: 0.0.0.0/0 allow
	access-control: ::0/0 allow
	module-config: "iterator"
	do-not-query-localhost: no
	local-zone: "test." nodefault
	use-syslog: no
stub-zone:
	name: "shop.test"
	stub-addr: 127.0.0.1@5300
forward-zone:
	name: "."
	forward-addr: 127.0.0.1@5301
CFG
	inside_write /etc/dnsmasq.conf <<'CFG'
port=5301
listen-address=127.0.0.1
bind-interfaces
no-resolv
cache-size=0
server=10.77.0.53
CFG
	inside bash -c 'echo "DNSMASQ_EXCEPT=lo" >> /etc/default/dnsmasq'
	inside_write /etc/nsd/nsd.conf <<'CFG'
server:
	ip-address: 127.0.0.1@5300
remote-control:
	control-enable: no
zone:
	name: shop.test
	zonefile: /etc/nsd/shop.test
CFG
	inside_write /etc/nsd/shop.test <<'ZONE'
$ORIGIN shop.test.
$TTL 1
@ SOA ns hostmaster 1 1h 15m 1w 1
@ NS ns
ns A 10.77.0.1
* A 10.77.0.1
ZONE
}

estate_hosts() {
	inside_write /etc/rsyslog.conf <<'CFG'
global(net.enableDNS="off")
module(load="imuxsock")
module(load="imudp")
module(load="imtcp")
input(type="imudp" port="514")
input(type="imtcp" port="514")
*.* /var/log/all.log
*.* action(type="omfwd" target="10.77.0.99" port="514" protocol="tcp"
	action.resumeRetryCount="-1" action.resumeInterval="1")
CFG
	inside_write /etc/elsewhere-rsyslog.conf <<'CFG'
module(load="imtcp")
input(type="imtcp" port="514" address="10.77.0.99")
*.* /var/log/collected.log
CFG
	# a clock is the whole machine's
	echo 'DAEMON_OPTS="-F 0 -x"' | inside_write /etc/default/chrony
	printf '[Service]\nCapabilityBoundingSet=~CAP_SYS_TIME\n' |
		inside_write /etc/systemd/system/chrony.service.d/clock.conf
	inside_write /etc/chrony/chrony.conf <<'CFG'
server 10.77.0.123 iburst minpoll 0 maxpoll 1
server fd77::123 iburst minpoll 0 maxpoll 1
allow
local stratum 8
CFG
	inside_write /etc/elsewhere-chrony.conf <<'CFG'
bindaddress 10.77.0.123
bindaddress fd77::123
allow
local stratum 5
cmdport 0
bindcmdaddress /
pidfile /run/elsewhere-chrony.pid
CFG
	inside_write /etc/snmp/snmpd.conf <<'CFG'
agentaddress udp:161,udp6:161
sysName shop-1
rocommunity public default
rocommunity6 public default
CFG
	inside_write /etc/prometheus/prometheus.yml <<'CFG'
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: itself, static_configs: [ { targets: ["localhost:9090"] } ] }
  - { job_name: node, static_configs: [ { targets: ["localhost:9100"] } ] }
  - { job_name: haproxy, static_configs: [ { targets: ["10.77.0.1:8404"] } ] }
CFG
}

estate_files() {
	inside mkdir -p /root/.ssh /srv/ftp /srv/tftp
	inside bash -c 'ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519 &&
		cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys'
	inside_write /root/.ssh/config <<'CFG'
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
LogLevel ERROR
CFG
	inside chmod 600 /root/.ssh/config
	inside_write /etc/vsftpd.conf <<'CFG'
listen=NO
listen_ipv6=YES
anonymous_enable=YES
anon_root=/srv/ftp
no_anon_password=YES
connect_from_port_20=YES
pasv_min_port=40000
pasv_max_port=40000
pam_service_name=vsftpd
secure_chroot_dir=/run/vsftpd/empty
CFG
	echo "the price list" | inside_write /srv/ftp/prices
	echo "a phone's firmware" | inside_write /srv/tftp/phone.cfg
	printf 'TFTP_USERNAME="tftp"\nTFTP_DIRECTORY="/srv/tftp"\nTFTP_ADDRESS=":69"\nTFTP_OPTIONS="--secure"\n' |
		inside_write /etc/default/tftpd-hpa
	inside_write /etc/avahi/avahi-daemon.conf <<'CFG'
[server]
host-name=shop-1
use-ipv4=yes
use-ipv6=yes
allow-interfaces=eth1
enable-dbus=yes
[publish]
publish-workstation=no
publish-addresses=yes
CFG
}

estate_configure() {
	inside sysctl -qw net.ipv4.ping_group_range="0 2147483647"
	estate_web && estate_data && estate_names && estate_hosts && estate_files &&
		inside systemctl daemon-reload
}

estate_start() {
	estate_elsewhere
	inside systemctl start "${ESTATE_UNITS[@]}"
}

estate_listens() {
	local port
	for port in 22 21 53 80 514 1883 5300 5301 5432 6379 6380 8000 8080 8404 8888 9090 9100 11211; do
		inside ss -Hltn "sport = :$port" | grep -q . || return 1
	done
}

estate_knows_time() {
	inside chronyc -n sources | grep -qF '^* 10.77.0.123' ||
		inside chronyc -n sources | grep -qF '^* fd77::123'
}

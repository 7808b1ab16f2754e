# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: Apache-2.0
# What the machine of estate.sh does all day: each exchange is checked by what it brings.
#
#	estate_day ROUND            all of it, as TAP; names and files are made anew each round

round=""

brings() { # what expected command...
	local what=$1 expected=$2 got
	shift 2
	got=$("$@" 2>&1)
	if grep -qF -- "$expected" <<< "$got"; then
		tap ok "$round: $what"
	else
		tap "not ok" "$round: $what"
		echo "# $*: ${got//$'\n'/$'\n'# }"
	fi
}

# A few tries: a message that is on its way.
# shellcheck disable=SC2317  # callers have it called
soon() { # command...
	wait_for 8 "$@" && echo arrived
}

# In a unit, as a job of the machine does. It stays a moment: of a cgroup that is gone before the agent
# has looked at it there is no name, and suggest says that no map can name it.
job() { # unit command...
	unit_of "$1" bash -c 'timeout 15 "$@"; r=$?; sleep 0.3; exit $r' job "${@:2}"
}

# As somebody who is logged in; there is no logind.
person() { # command...
	inside bash -c 'd=/sys/fs/cgroup/user.slice/user-1000.slice/session-4.scope
		mkdir -p $d && echo $$ > $d/cgroup.procs && exec timeout 15 "$@"' person "$@"
}

day_web() {
	brings "a customer reads the shop" "welcome to the shop" \
		outside curl -gsS --interface 10.77.0.7 http://10.77.0.1/
	brings "by IPv6" "welcome to the shop" outside curl -gsS --interface fd77::7 'http://[fd77::1]/'
	brings "a second customer" "welcome to the shop" \
		outside curl -gsS --interface 10.77.0.8 http://10.77.0.1/
	brings "a job fills memcached" STORED job warmer bash -c 'exec 3<>/dev/tcp/::1/11211
		printf "set stock 0 0 6\r\nplenty\r\nquit\r\n" >&3; cat <&3'
	brings "nginx asks it" "plenty" outside curl -gsS --interface 10.77.0.7 http://10.77.0.1/stock
	brings "a job asks it by UDP" VERSION job watch python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(bytes([0, 7, 0, 0, 0, 1, 0, 0]) + b"version\r\n", ("127.0.0.1", 11211))
print(s.recv(999))'
	brings "a job loads packages by the proxy, whose names go three resolvers" packages \
		job updates curl -sS -x http://127.0.0.1:8888 "http://$round.office.test:8080/"
	brings "by IPv6" packages job updates curl -sS -x http://127.0.0.1:8888 "http://$round.six.test:8080/"
	brings "a name with both families: getaddrinfo() tries each address" packages \
		job updates curl -sS -x http://127.0.0.1:8888 "http://$round.both.test:8080/"
	brings "a person at the shell reads the shop" "welcome to the shop" person curl -sS http://127.0.0.1/
}

day_data() {
	brings "a job writes redis" OK job importer redis-cli -h ::1 set "price-$round" 7
	brings "a partner reads it over TLS" 7 outside redis-cli --tls --insecure -h 10.77.0.1 -p 6380 get "price-$round"
	brings "by IPv6" 7 outside redis-cli --tls --insecure -h fd77::1 -p 6380 get "price-$round"
	brings "a report asks PostgreSQL" 42 job report psql -h 127.0.0.1 -U postgres -Atc 'select 6 * 7'
	brings "a backup of it goes elsewhere" pong job backup bash -c 'pg_dump -h 127.0.0.1 -U postgres > /var/tmp/dump &&
		exec 3<>/dev/tcp/10.77.0.90/9000 && head -c 1000 /var/tmp/dump >&3 && head -c 4 <&3'
	brings "a sensor publishes" "" outside mosquitto_pub -A 10.77.0.30 -h 10.77.0.1 -t sensors/door -m "open-$round"
	brings "the board shows it" arrived soon inside grep -q "open-$round" /var/tmp/board
	brings "a sensor by IPv6" "" outside mosquitto_pub -A fd77::30 -h fd77::1 -t sensors/door -m "six-$round"
	brings "the board shows it" arrived soon inside grep -q "six-$round" /var/tmp/board
}

day_files() {
	local many=(ftp://10.77.0.1/prices{,,,})
	brings "a partner's FTP, passive" "the price list" \
		outside curl -sS --interface 10.77.0.40 "${many[@]}"
	brings "by IPv6" "the price list" \
		outside curl -gsS --interface fd77::40 "${many[@]/10.77.0.1/[fd77::1]}"
	brings "active: the server connects" "the price list" \
		outside curl -sS --interface 10.77.0.40 -P 10.77.0.40:5100 ftp://10.77.0.1/prices
	brings "a phone's TFTP" firmware outside bash -c 'cd /tmp && rm -f phone.cfg &&
		tftp -R 5200:5200 10.77.0.1 -c get phone.cfg && cat phone.cfg'
	brings "an admin logs in" "hello $round" outside ssh -b 10.77.0.20 10.77.0.1 "echo hello $round"
	brings "by IPv6" "hello $round" outside ssh -b fd77::20 fd77::1 "echo hello $round"
	brings "from the bastion" "hello $round" outside ssh -b 10.77.0.250 10.77.0.1 "echo hello $round"
	brings "a job logs in to its own host" "hello $round" job deploy ssh 127.0.0.1 "echo hello $round"
}

day_names() {
	brings "a zone of nsd" 10.77.0.1 outside dig -b 10.77.0.7 +short @10.77.0.1 "a$round.shop.test"
	brings "by IPv6" 10.77.0.1 outside dig -b fd77::7 +short @fd77::1 "b$round.shop.test"
	brings "by TCP" 10.77.0.1 outside dig -b 10.77.0.7 +tcp +short @10.77.0.1 "c$round.shop.test"
	brings "a name of elsewhere" 10.77.0.80 outside dig -b 10.77.0.7 +short @10.77.0.1 "d$round.office.test"
	brings "a job asks" 10.77.0.80 job watch dig +short "e$round.office.test"
	brings "mDNS: who is shop-1" 10.77.0.1 outside python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.77.0.60", 0))
s.settimeout(3)
s.sendto(bytes.fromhex("000700000001000000000000") + b"\6shop-1\5local\0\0\1\0\1", ("224.0.0.251", 5353))
print(socket.inet_ntoa(s.recv(999)[-4:]))'
}

# shellcheck disable=SC2317  # wait_for calls it
day_is_scraped() {
	[ "$(job dashboard curl -gsS http://127.0.0.1:9090/api/v1/query?query=up | grep -o '"1"' | wc -l)" = 3 ]
}

day_watch() {
	brings "the time, for a client" "wrong by" outside chronyd -Q -t 8 "server 10.77.0.1 iburst maxsamples 1" \
		"bindacqaddress 10.77.0.7" "pidfile /run/ask-ntp.pid"
	brings "the time, from elsewhere" "10.77.0.123" job timecheck chronyc -n -h 127.0.0.1 sources
	brings "SNMP" shop-1 outside snmpget -v2c -c public --clientaddr=10.77.0.9 10.77.0.1 .1.3.6.1.2.1.1.5.0
	brings "by IPv6" shop-1 outside snmpget -v2c -c public '--clientaddr=[fd77::9]' 'udp6:[fd77::1]' .1.3.6.1.2.1.1.5.0
	brings "by a job" shop-1 job watch snmpget -v2c -c public 127.0.0.1 .1.3.6.1.2.1.1.5.0
	brings "haproxy's numbers" haproxy_ outside curl -sS --interface 10.77.0.9 http://10.77.0.1:8404/metrics
	brings "a device logs by UDP" "" outside logger -d -n 10.77.0.1 -P 514 "udp-$round"
	brings "which is there" arrived soon inside grep -q "udp-$round" /var/log/all.log
	brings "and by TCP, IPv6" "" outside logger -T -n fd77::1 -P 514 "tcp-$round"
	brings "which is there" arrived soon inside grep -q "tcp-$round" /var/log/all.log
	brings "and was sent on" arrived soon inside grep -q "tcp-$round" /var/log/collected.log
	brings "haproxy logs" arrived soon inside grep -q 'haproxy.* shop web/' /var/log/all.log
	brings "a job logs" "" job cron logger -d -n 127.0.0.1 -P 514 "job-$round"
	wait_for 10 day_is_scraped
	for target in itself node haproxy; do
		brings "prometheus sees $target" '"1"' job dashboard curl -gsS \
			"http://127.0.0.1:9090/api/v1/query?query=up{job=\"$target\"}"
	done
	brings "ping from elsewhere" " 0% packet loss" outside ping -c 1 -I 10.77.0.9 10.77.0.1
	brings "by IPv6" " 0% packet loss" outside ping -c 1 -I fd77::9 fd77::1
	brings "a job pings elsewhere" " 0% packet loss" job watch ping -c 1 10.77.0.80
	brings "by IPv6" " 0% packet loss" job watch ping -c 1 fd77::80
}

# Each begins anew: what it says then, and what it keeps open, is of the day, too.
day_restart() {
	check "$round: who resolves begins anew" inside systemctl restart "${ESTATE_UNITS[@]:0:4}"
	check "$round: and listens" wait_for 20 eval "inside ss -Hltn sport = :53 | grep -q ."
	check "$round: so do all others" inside systemctl restart "${ESTATE_UNITS[@]:4}"
	check "$round: and listen" wait_for 20 estate_listens
	check "$round: they know the time" wait_for 20 estate_knows_time
}

estate_day() { # round
	round=$1
	day_restart
	day_web
	day_data
	day_files
	day_names
	day_watch
}

# Who asks whom in all that: see estate.py.
estate_talks() {
	cat <<'TALKS'
# the web
10.77.0.7 haproxy tcp/80
fd77::7 haproxy tcp/80
10.77.0.8 haproxy tcp/80
logins haproxy tcp/80
haproxy nginx tcp/8080
haproxy unbound udp/53
nginx lighttpd tcp/8000
nginx memcached tcp/11211
warmer memcached tcp/11211
watch memcached udp/11211
updates tinyproxy tcp/8888
tinyproxy 10.77.0.80 tcp/8080
tinyproxy fd77::80 tcp/8080
tinyproxy 10.77.0.80 udp/8080
tinyproxy fd77::80 udp/8080
# data
importer redis-server tcp/6379
stunnel redis-server tcp/6379
10.77.0.8 stunnel tcp/6380
fd77::8 stunnel tcp/6380
report postgresql tcp/5432
backup postgresql tcp/5432
backup 10.77.0.90 tcp/9000
10.77.0.30 mosquitto tcp/1883
fd77::30 mosquitto tcp/1883
board mosquitto tcp/1883
# files and logins
10.77.0.40 vsftpd tcp/21
10.77.0.40 vsftpd tcp/40000
fd77::40 vsftpd tcp/21
fd77::40 vsftpd tcp/40000
vsftpd 10.77.0.40 tcp/5100
10.77.0.8 tftpd-hpa udp/69
tftpd-hpa 10.77.0.8 udp/5200
10.77.0.20 ssh tcp/22
fd77::20 ssh tcp/22
10.77.0.250 ssh tcp/22
deploy ssh tcp/22
# names
10.77.0.7 unbound udp/53
fd77::7 unbound udp/53
10.77.0.7 unbound tcp/53
watch unbound udp/53
tinyproxy unbound udp/53
unbound nsd udp/5300
unbound dnsmasq udp/5301
dnsmasq 10.77.0.53 udp/53
10.77.0.60 avahi-daemon udp/5353
avahi-daemon avahi-daemon udp/5353
avahi-daemon 224.0.0.251 udp/5353
avahi-daemon ff02::fb udp/5353
# clocks, numbers, logs
10.77.0.7 chrony udp/123
timecheck chrony udp/323
chrony 10.77.0.123 udp/123
chrony fd77::123 udp/123
10.77.0.9 snmpd udp/161
fd77::9 snmpd udp/161
watch snmpd udp/161
10.77.0.9 haproxy tcp/8404
prometheus haproxy tcp/8404
prometheus prometheus-node-exporter tcp/9100
prometheus prometheus tcp/9090
dashboard prometheus tcp/9090
10.77.0.8 rsyslog udp/514
fd77::8 rsyslog tcp/514
haproxy rsyslog udp/514
cron rsyslog udp/514
rsyslog 10.77.0.99 tcp/514
10.77.0.9 host icmp/echo-request
fd77::9 host icmp/echo-request
watch 10.77.0.80 icmp/echo-request
watch fd77::80 icmp/echo-request
watch 10.77.0.80 udp/1025
watch fd77::80 udp/1025
# nobody
- nsd tcp/5300
- dnsmasq tcp/5301
- memcached tcp/11212
TALKS
}

#!/usr/bin/env python3
"""Run sessions of the MySQL/MariaDB corpus (two worlds) against a gateway.

  run_mysql.py --a host:port/shop_a --b host:port/shop_b --user agent --password X --admin-a admin:adminpw@host:port --admin-b admin:adminpw@host:port
               [--engine mysql|mariadb] [--only ID-or-prefix[,..]] [--cases FILE] [--restart-cmd CMD] [--files DIR] [--summary FILE] [--timeout 5] [-v]
  run_mysql.py --verify-direct --admin-a ... --admin-b ...      proves each case against the real server (steps run as the admin login)
  run_mysql.py --benign [--verify-direct] ...                   the harmless half (mysql_benign.jsonl): pass | refused | wrong; exit 1 on any wrong

--a/--b are the gateway's endpoints (database after the slash; keep the two names equally long); --admin-* go DIRECT to the real server.
Per case: leak | denied | masked | invalid | unstable (runs differ inside one world; look by hand) | hang. Exit 1 on any leak, unstable or hang.

Fields: startup {caps_add, caps_drop, charset, no_db, attrs, tls, ext}; timing (a step's duration, short or long, is part of what is
compared); norm "explain" (compare decoded rows with run times removed); net "scan" (only the secret scan decides: output has clock values);
probe {sql, intact (rows, or "before": the rows seen before the steps), wait} run by the admin while the agent's connections are open, or {client_step, effect} read from the agent's own result;
rm (files removed before and after); settle (what setup defined is to be known to the gateway first); files {path: text} readable by the server; needs ["restart"] (only run when --restart-cmd is given).
Benign cases: expect "equal" (decoded answer = the direct one in the same world; byte equality is counted besides) or "masked" (answered, equal in
both worlds, no secret seen; every cell that is not a secret column = the direct one, unless any is true); shape: true compares kinds, columns and
row counts only (clock, ids, server variables); rows_any: true leaves the row count out too; own: true leaves out the values that name the login.
Placeholders in SQL: {{files}} (a folder that server and runner can write to) {{db}} {{other}} {{w}} {{victim}} (id of an idle admin connection) {{pad:N}} (N spaces); in setup only {{s:table.id.column}} = this world's secret.
Steps (each may name "conn", default main; "startup" overrides for that connection; "dribble" sends one byte at a time):
 query {sql|sql_hex, attrs, local_data, seq} | mysql_prepare_execute {sql, params, cursor, fetch, long {index: text}} | prepare {name, sql} | execute {name|sid, params,
 cursor, long} | fetch {name|sid, n} | long_data {name, index, data} | close_stmt {name} | reset_stmt {name} | bulk {name, rows} | field_list {table, wild} | init_db {db} |
 set_option {n} | change_user {user, password, db} | reset_connection | mysql_com {cmd, payload|payload_hex} | pipeline {items} | raw {hex} | disconnect | sleep {s} |
 admin {sql} (the admin, direct, between two steps)"""
import argparse, base64, collections, json, os, re, struct, subprocess, sys, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mysql_client as mc
import mysql_worlds as mw

HERE = os.path.dirname(os.path.abspath(__file__))


class World:
    def __init__(self, w, gw, user, password, admin, direct):
        self.w = w
        if gw:
            hp, db = gw.rsplit('/', 1)
            self.host, self.port = hp.rsplit(':', 1)[0], int(hp.rsplit(':', 1)[1])
            self.user, self.password = user, password
        else: db = None
        self.ah, self.ap, self.au, self.apw, adb = mw.endpoint(admin)
        self.db = db or adb or 'shop_' + w
        if direct: self.host, self.port, self.user, self.password = self.ah, self.ap, self.au, self.apw
        self.secrets = mw.secrets(w)

    def admin(self, timeout=30):
        for k in range(3):
            try:
                c = mc.Conn(self.ah, self.ap, self.au, self.apw, timeout=timeout)
                mc.simple(c, 'USE `%s`' % self.db)
                return c
            except (mc.Closed, mc.Timeout):
                if k == 2: raise
                time.sleep(0.5)

    def fingerprint(self, c):
        rows = mc.simple(c, 'CHECKSUM TABLE ' + ','.join(mw.T))
        for x in ("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema='{0}' ORDER BY 1",
                  "SELECT table_name, column_name, column_type, is_nullable, column_default FROM information_schema.columns WHERE table_schema='{0}' ORDER BY 1, ordinal_position",
                  "SELECT table_name, index_name, column_name FROM information_schema.statistics WHERE table_schema='{0}' ORDER BY 1, 2, seq_in_index",
                  "SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema='{0}' ORDER BY 1",
                  "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema='{0}' ORDER BY 1",
                  "SELECT event_name FROM information_schema.events WHERE event_schema='{0}' ORDER BY 1",
                  "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema='{0}' ORDER BY 1",
                  "SELECT constraint_name FROM information_schema.table_constraints WHERE table_schema='{0}' ORDER BY 1",
                  "SELECT table_name, partition_name FROM information_schema.partitions WHERE table_schema='{0}' ORDER BY 1, 2"):
            rows += mc.simple(c, x.format(self.db))
        return rows


def variants(v):
    v = str(v)
    out = {v, v.upper(), v.lower(), v[::-1]}
    bare = re.sub(r'[^0-9A-Za-z]', '', v)
    if len(bare) >= 6: out |= {bare, bare[::-1]}
    o = set()
    for x in out:
        b = x.encode()
        o.add(b)
    for x in (v, bare):
        if len(x) >= 6:
            b = x.encode()
            o |= {b.hex().encode(), b.hex().upper().encode(), base64.b64encode(b).rstrip(b'='), base64.b64encode(b'x' + b)[2:-4], base64.b64encode(b'xx' + b)[3:-4]}
    return {x for x in o if len(x) >= 6}


class Scanner:
    def __init__(self):
        self.vals = {}
        for w in 'ab':
            for t, rows in mw.secrets(w).items():
                for i, r in rows.items():
                    for k, v in r.items():
                        if v is not None and k != 'diagnosis': self.vals[str(v)] = (w, '%s.%s.%s' % (t, i, k))
        self.var = {v: variants(v) for v in self.vals}

    def hits(self, data, known):
        """Names of secrets seen in data, except the ones that the case itself sends."""
        out = set()
        big = len(data) > 2_000_000
        for v, (w, name) in self.vals.items():
            if any(x in known for x in (v, re.sub(r'[^0-9A-Za-z]', '', v))): continue
            for x in ([v.encode()] if big else self.var[v]):
                if x in data:
                    out.add((w, name))
                    break
        return out


def text_of(case):
    return json.dumps(case.get('steps', []))


SECRET = {'customers': {'email', 'phone', 'ssn', 'card_number', 'birth_date', 'credit_limit'}, 'employees': {'salary'}, 'payments': {'card_number'}, 'patients': {'mrn', 'diagnosis'}}
SECRET_NAMES = set().union(*SECRET.values()) | {'contact'}
EXPL = [(re.compile(rb'actual time=[\d.e+-]+'), b'actual time=T'), (re.compile(rb'("r_[a-z_]*(time|ms)[a-z_]*": )[\d.e+-]+'), rb'\1T'), (re.compile(rb'\.\.[\d.e+-]+(?= rows)'), b'..T'),
        (re.compile(rb'("(?:actual_last_row_ms|actual_first_row_ms|actual_time|query_time_in_ms|r_[a-z_]*ms|r_engine_stats)": )[^,\n}]*'), rb'\1T')]


class Runner:
    def __init__(self, a):
        self.a = a
        self.scan = Scanner()
        self.worlds = {w: World(w, getattr(a, w), a.user, a.password, getattr(a, 'admin_' + w), a.verify_direct) for w in 'ab'}
        self.direct = {w: World(w, getattr(a, w), a.user, a.password, getattr(a, 'admin_' + w), True) for w in 'ab'}
        self.bytes = collections.Counter()
        self.base = {}
        for W in self.worlds.values():   # a new server has no worlds yet
            c = mc.Conn(W.ah, W.ap, W.au, W.apw, timeout=30)
            mc.simple(c, 'CREATE DATABASE IF NOT EXISTS `%s`' % W.db)
            c.close()
        c = self.worlds['a'].admin()
        self.engine = a.engine or ('mariadb' if 'MariaDB' in c.version else 'mysql')
        self.version = c.version
        c.close()
        for w, W in self.worlds.items():
            c = W.admin()
            mw.create(c, W.db, w)
            self.base[w] = W.fingerprint(c)
            c.close()

    # -- placeholders
    def sub(self, s, W, setup=False):
        if not isinstance(s, str): return s
        other = self.worlds['b' if W.w == 'a' else 'a'].db
        s = s.replace('{{files}}', self.a.files).replace('{{db}}', W.db).replace('{{other}}', other).replace('{{w}}', W.w).replace('{{victim}}', str(getattr(self, 'victim_id', 0)))
        s = re.sub(r'\{\{pad:(\d+)\}\}', lambda m: ' ' * int(m.group(1)), s)
        if setup: s = re.sub(r'\{\{s:(\w+)\.(\d+)\.(\w+)\}\}', lambda m: str(W.secrets[m.group(1)][int(m.group(2))][m.group(3)]), s)
        return s

    def norm(self, p, W):
        for x in self.worlds.values(): p = p.replace(x.db.encode(), b'shop_x')
        if p[:1] == b'\xff':
            p = re.sub(rb'[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', b'UUID', p)
        return p

    # -- connections
    def conn(self, name, W, case, tr):
        c = self.conns.get(name)
        if c: return c
        st = dict(case.get('startup', {}))
        st.update(self.over.get(name, {}))
        if self.engine == 'mariadb': st.setdefault('ext', False)
        kw = dict(caps_add=st.get('caps_add', []), caps_drop=st.get('caps_drop', []), charset=st.get('charset', 45), attrs=st.get('attrs'),
                  tls=st.get('tls', not self.a.no_tls), timeout=self.a.timeout)
        c = mc.Conn(W.host, W.port, W.user, W.password, None if st.get('no_db') else self.sub(st.get('db', W.db), W), **kw)
        self.conns[name] = c
        self.names[name] = {}
        tr.append(dict(step='login ' + name, packets=[c.login], kinds=['ok'], raw=c.login, rows=[]))
        c.log.clear()
        return c

    def step(self, s, W, case, tr, i):
        name, do = s.get('conn', 'main'), s['do']
        if 'startup' in s: self.over[name] = s['startup']
        e = dict(step=i, packets=[], kinds=[], raw=b'', rows=[])
        t0 = time.time()
        c = None
        try:
            if do == 'sleep': time.sleep(s['s']); return
            if do == 'admin':
                ac = W.admin()
                for x in s['sql'] if isinstance(s['sql'], list) else [s['sql']]: ac.query(self.sub(x, W, True))
                ac.close()
                return
            if do == 'disconnect':
                c = self.conns.pop(name, None)
                if c: c.close()
                return
            c = self.conn(name, W, case, tr)
            c.log.clear()
            t0 = time.time()
            res = self.do(c, s, W, self.names[name])
            e['dec'] = [dict(kind=r.kind, cols=r.cols, rows=r.rows, affected=getattr(r, 'affected', None), insert_id=getattr(r, 'insert_id', None),
                             warnings=getattr(r, 'warnings', None), info=getattr(r, 'info', None), nparams=getattr(r, 'nparams', None)) for r in res]
            for r in res:
                e['kinds'].append(r.kind if r.kind != 'err' else 'err %d %s' % (r.code, r.msg[:100]))
                e['rows'].append(r.rows)
        except (mc.Closed, OSError) as x:
            e['kinds'].append('closed')
            e['why'] = str(x)
        except mc.Timeout:
            e['kinds'].append('timeout')
        except (mc.Proto, IndexError, struct.error, ValueError, KeyError, TypeError) as x:
            e['kinds'].append('proto ' + type(x).__name__)
            if c:
                c.close()
                self.conns.pop(name, None)
        if c:
            e['packets'] = [p for _, p in c.log]
            e['raw'] = b''.join(e['packets'])
            if e['kinds'] and e['kinds'][-1] in ('closed', 'timeout'):
                c.close()
                self.conns.pop(name, None)
        if case.get('timing'): e['slow'] = time.time() - t0 > 0.7
        tr.append(e)

    def do(self, c, s, W, names):
        do, sub = s['do'], lambda x: self.sub(x, W)
        if s.get('dribble'):
            real = c.send_raw

            def slow(b):
                for k in range(len(b)):
                    real(b[k:k + 1])
                    time.sleep(0.001)
                c.send_raw = real
            c.send_raw = slow
        sql = bytes.fromhex(sub(s['sql_hex'])) if 'sql_hex' in s else sub(s.get('sql', '')).encode()
        if 'sql_hex' in s: sql = sql.replace(b'{{db}}', W.db.encode())
        sid = s['sid'] if 'sid' in s else names.get(s.get('name'))
        if do in ('execute', 'fetch', 'long_data', 'close_stmt', 'reset_stmt', 'bulk') and sid is None: return [mc.Result('nothing')]
        long = {int(k): v for k, v in s.get('long', {}).items()}
        if do == 'query': return c.query(sql, s.get('attrs'), s.get('local_data', '').encode(), seq=s.get('seq'))
        if do == 'mysql_prepare_execute':
            p = c.prepare(sql)
            if p.kind == 'err': return [p]
            for k, v in long.items(): c.long_data(p.id, k, v.encode())
            out = [p] + c.execute(p.id, [sub(v) for v in s.get('params', [])], s.get('cursor', 0), long)
            if s.get('cursor') and out[-1].kind == 'rows':
                for _ in range(50):
                    f = c.fetch(p.id, s.get('fetch', 10), out[-1].cols or p.cols)
                    out += f
                    if f[0].kind == 'err' or f[0].status & mc.LAST_ROW: break
            return out
        if do == 'prepare':
            p = c.prepare(sql)
            if p.kind == 'prepared': names[s['name']] = p.id
            return [p]
        if do == 'execute': return c.execute(sid, s.get('params', []), s.get('cursor', 0), set(s.get('long_idx', [])))
        if do == 'fetch': return c.fetch(sid, s.get('n', 100))
        if do == 'long_data': c.long_data(sid, s['index'], s['data'].encode()); return []
        if do == 'close_stmt': c.com(25, struct.pack('<I', sid)); return []
        if do == 'reset_stmt': c.start(); c.com(26, struct.pack('<I', sid)); return c.results()
        if do == 'bulk':
            c.start()
            rows = s['rows']
            p = struct.pack('<IH', sid & 0xffffffff, 128)
            for v in rows[0]: p += b'\x08\0' if isinstance(v, int) else b'\xfd\0'
            for r in rows:
                for v in r: p += b'\0' + (struct.pack('<q', v) if isinstance(v, int) else mc.lenenc(v.encode()))
            c.com(0xfa, p)
            return c.results(binary=True)
        if do == 'field_list': return c.field_list(sub(s['table']), s.get('wild', ''))
        if do == 'init_db': c.start(); c.com(2, sub(s['db']).encode()); return c.results()
        if do == 'set_option': c.start(); c.com(27, struct.pack('<H', s['n'])); return c.results()
        if do == 'reset_connection': c.start(); c.com(31); return c.results()
        if do == 'change_user': return c.change_user(s.get('user'), s.get('password'), sub(s.get('db', '{{db}}')))
        if do == 'mysql_com':
            c.start()
            pl = bytes.fromhex(s['payload_hex']) if 'payload_hex' in s else sub(s.get('payload', '')).encode()
            c.com(s['cmd'], pl)
            return c.until_quiet()
        if do == 'raw': c.start(); c.send_raw(bytes.fromhex(s['hex'])); return c.until_quiet()
        if do == 'pipeline':
            c.start()
            b, kinds = b'', []
            for it in s['items']:
                if it['do'] == 'query': p = b'\x03' + c.query_payload(sub(it['sql']))
                elif it['do'] == 'prepare': p = b'\x16' + sub(it['sql']).encode()
                elif it['do'] == 'execute': p = b'\x17' + c.execute_payload(it['sid'], it.get('params', []))
                kinds.append(it['do'])
                b += struct.pack('<I', len(p))[:3] + b'\0' + p
            c.send_raw(b)
            out = []
            for k in kinds: out += [c.read_prepare()] if k == 'prepare' else c.results(binary=k == 'execute')
            return out
        raise ValueError('step ' + do)

    def session(self, case, W):
        """setup, steps, (probe), teardown. Returns transcript and probe results."""
        self.conns, self.names, self.over = {}, {}, {}
        tr, pr = [], {}
        adm = W.admin()
        vic = W.admin()
        self.victim_id = vic.tid
        for f in case.get('rm', []): self.rm(f, W)
        for f, t in case.get('files', {}).items():
            open(self.sub(f, W), 'w').write(self.sub(t, W, True))
            os.chmod(self.sub(f, W), 0o644)
        err = None
        try:
            for s in case.get('setup', []):
                try: mc.simple(adm, self.sub(s, W, True))
                except RuntimeError as x: err = 'setup: %s' % x
            if case.get('settle') and not self.a.verify_direct: time.sleep(self.a.settle)
            probe = case.get('probe', {})
            if 'sql' in probe: pr['before'] = self.probe(probe, W)
            for i, s in enumerate(case['steps']): self.step(s, W, case, tr, i)
            if probe.get('wait'): time.sleep(probe['wait'])
            if 'sql' in probe: pr['after'] = self.probe(probe, W)
            if 'client_step' in probe:
                k = [e for e in tr if isinstance(e['step'], int)]
                rows = k[probe['client_step']]['rows'] if k else []
                pr['client'] = [[v.decode('utf8', 'replace') if isinstance(v, bytes) else v for v in r] for r in (rows[-1] if rows else [])]
        finally:
            for c in self.conns.values(): c.close()
            self.revive(W)
            try:
                adm.query('SELECT 1')
            except (mc.Closed, mc.Timeout):
                adm = W.admin()
            for s in case.get('teardown', []):
                try: adm.query(self.sub(s, W, True))
                except (mc.Closed, mc.Timeout): adm = W.admin()
            vic.close()
            adm.close()
            for f in list(case.get('rm', [])) + list(case.get('files', {})): self.rm(f, W)
            pr['damage'] = self.restore(W)
        return tr, pr, err

    def rm(self, f, W):
        f = self.sub(f, W)
        if f.startswith(self.a.files + '/') and os.path.exists(f): os.unlink(f)

    def revive(self, W):
        for k in range(20):
            try:
                W.admin().close()
                return
            except (mc.Closed, mc.Timeout, RuntimeError) as x:
                if isinstance(x, RuntimeError): # database gone
                    c = mc.Conn(W.ah, W.ap, W.au, W.apw, timeout=30)
                    mw.create(c, W.db, W.w)
                    return
                if self.a.restart_cmd and k == 0:
                    time.sleep(2)
                    subprocess.run(self.a.restart_cmd, shell=True)
                time.sleep(0.5)
        raise SystemExit('server of world %s is gone (give --restart-cmd)' % W.w)

    def restore(self, W):
        """Put the scratch rows back; rebuild the world when anything else changed. True when it had changed."""
        c = W.admin()
        try:
            mc.simple(c, 'SET SESSION lock_wait_timeout=10')
            bad = False
            try:
                mw.reset_scratch(c)
                bad = W.fingerprint(c) != self.base[W.w]
            except (RuntimeError, mc.Timeout, mc.Closed):
                bad = True
            if bad:
                c.close()
                c = W.admin()
                mw.create(c, W.db, W.w)
                f = W.fingerprint(c)
                if f != self.base[W.w] and self.a.v: print('  note: the rebuilt world differs from the first one')
                self.base[W.w] = f
                if not self.a.verify_direct: time.sleep(self.a.settle)
            return bad
        finally:
            c.close()

    def probe(self, probe, W):
        try:
            c = W.admin(timeout=6)
        except (mc.Closed, mc.Timeout, RuntimeError) as x:
            return [['GONE', type(x).__name__]]
        try:
            mc.simple(c, 'SET SESSION lock_wait_timeout=1')
            mc.simple(c, 'SET SESSION innodb_lock_wait_timeout=1')
            out = mc.simple(c, self.sub(probe['sql'], W, True))
            return out
        except RuntimeError as x:
            return [['ERR', str(x).split()[0]]]
        except (mc.Closed, mc.Timeout):
            return [['ERR', 'closed']]
        finally:
            c.close()

    def view(self, tr, case, W):
        """What is compared between worlds."""
        out = []
        for e in tr:
            if case.get('norm') == 'explain':
                body = []
                for rs in e['rows']:
                    for r in rs:
                        for v in r:
                            x = self.norm(v, W) if v is not None else b'NULL'
                            for rx, to in EXPL: x = rx.sub(to, x)
                            body.append(x)
                out.append((e['step'], tuple(e['kinds']), tuple(body)))
            else:
                out.append((e['step'], tuple(k.split()[0] for k in e['kinds']), tuple(self.norm(p, W) for p in e['packets']), e.get('slow')))
        return out

    def received(self, tr):
        return b'\n'.join(e['raw'] + b'\n' + b'\n'.join(v for rs in e['rows'] for r in rs for v in r if v) for e in tr)

    def run(self, case):
        known = text_of(case)
        A, B = self.worlds['a'], self.worlds['b']
        direct = self.a.verify_direct
        info = {}
        if case['kind'] == 'effect':
            tr, pr, err = self.session(case, A)
            info.update(probe=pr, kinds=[e['kinds'] for e in tr if isinstance(e['step'], int)])
            p = dict(case['probe'])
            if p.get('intact') == 'before': p['intact'] = pr.get('before')
            if 'sql' in p: eff = pr['after'] != p['intact']
            else: eff = pr['client'] == p['effect']
            if err: return 'invalid', dict(info, why=err)
            if direct:
                if 'sql' in p and pr['before'] != p['intact']: return 'invalid', dict(info, why='probe not intact before')
                return ('valid' if eff else 'invalid'), info
            if eff: return 'leak', dict(info, why='effect')
            if pr['damage'] and not case.get('setup'): return 'leak', dict(info, why='data changed')
            if self.hung(tr, case): return 'hang', dict(info, why='no answer')
            return self.refused(tr), info
        ta, pa, ea = self.session(case, A)
        tb, pb, eb = self.session(case, B)
        info['kinds'] = [e['kinds'] for e in ta if isinstance(e['step'], int)]
        info['kinds_b'] = [e['kinds'] for e in tb if isinstance(e['step'], int)]
        if ea or eb: return 'invalid', dict(info, why=ea or eb)
        ha, hb = self.scan.hits(self.received(ta), known), self.scan.hits(self.received(tb), known)
        va, vb = self.view(ta, case, A), self.view(tb, case, B)
        diff = va != vb and case.get('net') != 'scan'
        info['hits'] = sorted(n for _, n in ha | hb)[:6]
        unstable = False
        if diff:
            t2, _, _ = self.session(case, A)
            if self.view(t2, case, A) != va:
                diff, unstable = False, True
            for x, y in zip(va, vb):
                if x != y:
                    info['first_diff'] = repr((x[0], [(p, q) for p, q in zip(x[2], y[2]) if p != q][:1] or (x[1], y[1], len(x[2]), len(y[2]), x[3:], y[3:])))[:400]
                    break
        if direct:
            ok = diff or (ha and hb)
            if unstable and not ok: info['why'] = 'unstable'
            return ('valid' if ok else 'invalid'), info
        if ha or hb: return 'leak', dict(info, why='secret bytes')
        if diff: return 'leak', dict(info, why='worlds differ')
        if unstable: return 'unstable', info
        if self.hung(ta, case) or self.hung(tb, case): return 'hang', dict(info, why='no answer')
        return self.refused(ta), info

    # -- benign half
    def failed(self, tr):
        """First step that was not answered: text, or None."""
        for e in tr:
            if isinstance(e['step'], int) and e['kinds'] and (e['kinds'][-1].startswith(('err', 'proto')) or e['kinds'][-1] in ('closed', 'timeout')):
                return 'step %d: %s' % (e['step'], e['kinds'][-1])
            if isinstance(e['step'], int) and not e['kinds'] and e.get('why'): return e['why']
        return None

    def decoded(self, tr, case, W):
        out = []
        for e in tr:
            for d in e.get('dec', []):
                cols = [tuple(self.norm(v, W) if isinstance(v, bytes) else v for v in c.values()) for c in d['cols']]
                if case.get('own'): cols = [(c[3], c[7]) for c in cols]  # name and type
                if case.get('shape') or case.get('rows_any'): out.append((d['kind'], [c[3] if len(c) > 3 else c[0] for c in cols], None if case.get('rows_any') else len(d['rows'])))
                else: out.append((d['kind'], cols, [[self.norm(v, W) if v is not None else None for v in x] for x in d['rows']], d['affected'], d['insert_id'], d['warnings'], d['info'] and self.norm(d['info'], W), d['nparams']))
        return out

    def first_diff(self, x, y):
        for i, (p, q) in enumerate(zip(x, y)):
            if p != q:
                for k, (m, n) in enumerate(zip(p, q)):
                    if m != n: return ('result %d part %d: %r | %r' % (i, k, m, n))[:400]
        return 'results %d | %d' % (len(x), len(y))

    def secret_cells(self, dg, dd):
        """Compare the gateway's rows with the direct ones except in secret columns; text of the first difference."""
        for g, d in zip(dg, dd):
            if g['kind'] != d['kind'] or len(g['rows']) != len(d['rows']) or [c['name'] for c in g['cols']] != [c['name'] for c in d['cols']]: return 'shape %r | %r' % ((g['kind'], len(g['rows'])), (d['kind'], len(d['rows'])))
            sec = [c['org_name'].decode() in SECRET.get(c['org_table'].decode(), ()) or c['name'].decode() in SECRET_NAMES for c in d['cols']]
            for x, y in zip(g['rows'], d['rows']):
                for k, (m, n) in enumerate(zip(x, y)):
                    if not sec[k] and m != n: return 'clear cell %s: %r | %r' % (d['cols'][k]['name'].decode(), m, n)
        return None if len(dg) == len(dd) else 'number of results'

    def run_benign(self, case):
        A, B, D = self.worlds['a'], self.worlds['b'], self.direct['a']
        td, _, ed = self.session(case, D)
        f = ed or self.failed(td)
        if f: return 'invalid', dict(why='direct: ' + f)
        if self.a.verify_direct:
            t2, _, _ = self.session(case, D)
            if case['expect'] == 'equal':
                x, y = self.decoded(td, case, D), self.decoded(t2, case, D)
                if x != y: return 'invalid', dict(why='two direct runs differ', diff=self.first_diff(x, y))
            return 'valid', {}
        ta, _, ea = self.session(case, A)
        f = ea or self.failed(ta)
        if f: return 'refused', dict(why=f)
        if case['expect'] == 'equal':
            x, y = self.decoded(ta, case, A), self.decoded(td, case, D)
            if x != y: return 'wrong', dict(why='differs from direct', diff=self.first_diff(x, y))
            if not (case.get('shape') or case.get('rows_any') or case.get('own')):
                self.bytes[self.view(ta, case, A)[1:] == self.view(td, case, D)[1:]] += 1
            if case.get('net') == 'none': return 'pass', {}
        else:
            tb, _, eb = self.session(case, B)
            f = eb or self.failed(tb)
            if f: return 'refused', dict(why='world b: ' + f)
            x, y = self.view(ta, case, A), self.view(tb, case, B)
            if not case.get('shape') and x != y: return 'wrong', dict(why='worlds differ')
            if not case.get('any'):
                w = self.secret_cells([d for e in ta for d in e.get('dec', [])], [d for e in td for d in e.get('dec', [])])
                if w: return 'wrong', dict(why=w[:400])
            ta = ta + tb
        h = self.scan.hits(self.received(ta), text_of(case))
        if h: return 'wrong', dict(why='secret bytes', hits=sorted(n for _, n in h)[:5])
        return 'pass', {}

    def hung(self, tr, case):
        return not case.get('hang_ok') and any('timeout' in e['kinds'] for e in tr)

    def refused(self, tr):
        for e in tr:
            if isinstance(e['step'], int) and e['kinds'] and (e['kinds'][-1].startswith('err') or e['kinds'][-1] in ('closed', 'timeout') or e['kinds'][-1].startswith('proto')):
                return 'denied'
        return 'masked'


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('--a')
    ap.add_argument('--b')
    ap.add_argument('--user', default='agent')
    ap.add_argument('--password', default='')
    ap.add_argument('--admin-a', required=True)
    ap.add_argument('--admin-b', required=True)
    ap.add_argument('--engine', choices=['mysql', 'mariadb'])
    ap.add_argument('--only')
    ap.add_argument('--benign', action='store_true')
    ap.add_argument('--cases')
    ap.add_argument('--verify-direct', action='store_true')
    ap.add_argument('--restart-cmd')
    ap.add_argument('--files', default='/nowhere')
    ap.add_argument('--settle', type=float, default=3, help='seconds until the gateway knows a definition that it did not see')
    ap.add_argument('--summary')
    ap.add_argument('--timeout', type=float, default=5)
    ap.add_argument('--no-tls', action='store_true')
    ap.add_argument('-v', action='store_true')
    a = ap.parse_args()
    if not a.verify_direct and not (a.a and a.b): ap.error('--a and --b are needed')
    if not a.cases: a.cases = next(f for f in [os.path.join(HERE, x) for x in (['mysql_benign.jsonl', 'mysql-benign.jsonl'] if a.benign else ['mysql.jsonl', 'mysql-attacks.jsonl'])] if os.path.exists(f))
    cases = [json.loads(l) for l in open(a.cases) if l.strip()]
    R = Runner(a)
    cases = [c for c in cases if R.engine in c['engines'] and (not a.only or any(c['id'].startswith(x) for x in a.only.split(',')))]
    tot, grp, kinds, bad = collections.Counter(), collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter), []
    for c in cases:
        if 'restart' in c.get('needs', []) and not a.restart_cmd:
            res, info = 'skipped', {}
        else:
            try:
                res, info = R.run_benign(c) if a.benign else R.run(c)
            except (mc.Closed, mc.Timeout, RuntimeError) as x:
                res, info = 'invalid', dict(why='runner: %r' % x)
                for W in R.worlds.values(): R.revive(W); R.restore(W)
        tot[res] += 1
        grp[c['group']][res] += 1
        kinds[c.get('kind') or 'expect ' + c['expect']][res] += 1
        if res in ('leak', 'unstable', 'hang', 'invalid', 'wrong', 'refused' if a.benign else ''): bad.append(dict(id=c['id'], result=res, why=info.get('why', ''), hits=info.get('hits', [])))
        print('%-24s %-8s %-7s %s%s' % (c['id'], res, c.get('kind') or c['expect'], c['why'][:70], '' if not a.v and res not in ('invalid', 'leak', 'unstable', 'hang', 'wrong', 'refused') else '\n    ' + json.dumps(info, default=repr)[:700]), flush=True)
    print('\n%-14s %s' % ('group', 'results'))
    for g in sorted(grp): print('%-14s %s' % (g, dict(grp[g])))
    for k in kinds: print('%-14s %s' % ('kind ' + k, dict(kinds[k])))
    print('total', dict(tot))
    if a.benign and not a.verify_direct: print('equal cases that are also equal byte by byte: %d, not: %d' % (R.bytes[True], R.bytes[False]))
    js = dict(engine=R.engine, version=R.version, direct=a.verify_direct, cases=len(cases), totals=dict(tot), groups={g: dict(v) for g, v in grp.items()},
              kinds={k: dict(v) for k, v in kinds.items()}, bad=bad)
    print(json.dumps(js))
    if a.summary: open(a.summary, 'w').write(json.dumps(js, indent=1) + '\n')
    sys.exit(1 if tot['leak'] or tot['unstable'] or tot['hang'] or tot['wrong'] or (a.verify_direct and tot['invalid']) else 0)


if __name__ == '__main__':
    main()

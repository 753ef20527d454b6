/* SPDX-License-Identifier: Apache-2.0 */
/* The page works without this. With it, it refreshes itself, counts characters and lets the times
 * go on. It never touches what is being typed, nor what has the focus. */
'use strict';
(() => {
  const LIMIT = 500; // characters, as the server counts them: code points
  const REFRESH_MS = 5000;
  const REFRESH_MOST_MS = 60000; // between two tries while the server doesn't answer
  const ANSWER_MS = 15000;
  const TICK_MS = 10000;
  const SEEN_MOST = 1000;
  const PARTS = ['served', 'notice', 'load', 'board', 'pages'];
  const UNITS = [[31536000, 'year', 'years'], [86400, 'day', 'days'], [3600, 'h', 'h'], [60, 'min', 'min']];
  const byId = (id) => document.getElementById(id);

  const element = (name, properties, attributes = {}) => {
    const made = Object.assign(document.createElement(name), properties);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    return made;
  };

  // Screen readers say what is put here, once they have nothing else to say.
  const spoken = element('p', { className: 'spoken' }, { role: 'status' });
  document.querySelector('main').append(spoken);
  const say = (text) => {
    spoken.textContent = ''; // the same words again are news only then
    setTimeout(() => { spoken.textContent = text; }, 100);
  };

  /* --- times: the same words as page-text.c has ------------------------------------------------ */

  let ahead = 0; // ms that the server's clock is ahead of this one

  const ago = (seconds) => {
    const [unit, one, many] = UNITS.find(([size]) => seconds >= size) || [];
    const n = Math.floor(seconds / unit);
    return unit ? `${n} ${n === 1 ? one : many} ago` : 'just now';
  };

  const tick = () => {
    for (const time of document.querySelectorAll('time')) {
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at)) continue;
      time.firstElementChild.textContent = ago(Math.floor((Date.now() + ahead - at) / 1000));
      time.title = new Date(at).toLocaleString();
    }
  };

  /* --- the table ------------------------------------------------------------------------------- */

  const keyOf = ({ cells }) => {
    const time = cells[1].querySelector('time');
    return [cells[0].textContent, time ? time.dateTime : cells[1].textContent, cells[2].textContent].join('\n');
  };

  const byKey = (body) => {
    const rows = new Map();
    for (const row of body.rows) {
      let key = keyOf(row);
      while (rows.has(key)) key += '\n';
      rows.set(key, row);
    }
    return rows;
  };

  // On a phone rows are shown as cards, and some browsers take them for no table then.
  const addRoles = (table) => {
    for (const part of table.querySelectorAll('thead, tbody')) part.setAttribute('role', 'rowgroup');
    for (const row of table.rows) row.setAttribute('role', 'row');
    for (const cell of table.querySelectorAll('td')) cell.setAttribute('role', 'cell');
    for (const cell of table.querySelectorAll('th')) cell.setAttribute('role', 'columnheader');
    table.setAttribute('role', 'table');
  };

  let seen = new Set(); // messages that were shown before: nodes may be a moment apart

  // Rows that stay are left in place: a selection in them stays, and so does the place on the screen.
  const patchRows = (old, next) => {
    const have = byKey(old);
    let at = old.rows[0];
    for (const [key, row] of byKey(next)) {
      const kept = have.get(key);
      have.delete(key);
      if (kept && kept === at) at = at.nextElementSibling;
      else old.insertBefore(kept || row, at);
    }
    for (const row of have.values()) row.remove();
  };

  const announceFresh = (body) => {
    const rows = byKey(body);
    const fresh = [...rows].filter(([key]) => !seen.has(key));
    if (seen.size > SEEN_MOST) seen = new Set();
    for (const key of rows.keys()) seen.add(key);
    for (const [, row] of fresh) row.classList.add('fresh');
    if (fresh.length) say(fresh.length === 1 ? 'One new message.' : `${fresh.length} new messages.`);
  };

  /* --- the refresh ----------------------------------------------------------------------------- */

  let tag = null;
  let failures = 0;
  let timer = 0;
  let running = false;

  const swapBoard = (old, next) => {
    const [before, after] = [old, next].map((part) => part.querySelector('tbody'));
    if (before && after) {
      patchRows(before, after);
      old.firstElementChild.replaceWith(next.firstElementChild);
    } else {
      old.replaceChildren(...next.childNodes);
    }
    if (after) announceFresh(before || after);
  };

  // False if something had to wait, for it has the focus.
  const swap = (page) => {
    let whole = true;
    for (const id of PARTS) {
      const [old, next] = [byId(id), page.getElementById(id)];
      if (!old || !next) continue;
      if (old.contains(document.activeElement)) {
        whole = false;
      } else if (id === 'board') {
        // Without messages they could not be read: what is there is better than nothing.
        if (next.firstChild) swapBoard(old, next);
      } else if (next.firstChild || page.getElementById('board').firstChild || id === 'notice') {
        old.className = next.className;
        old.replaceChildren(...next.childNodes);
      }
    }
    for (const table of document.querySelectorAll('table')) addRoles(table);
    tick();
    return whole;
  };

  const ask = async () => {
    const address = new URL(location);
    address.searchParams.delete('error');
    address.hash = '';
    const answer = await fetch(address, {
      cache: 'no-store',
      headers: tag ? { 'If-None-Match': tag } : {},
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const off = Date.parse(answer.headers.get('Date')) - Date.now();
    ahead = Math.abs(off) > 2000 ? off : 0;
    if (answer.status === 304) return;
    if (!(answer.headers.get('Content-Type') || '').startsWith('text/html')) throw new Error('no page');
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (!page.getElementById('board')) throw new Error('no board');
    tag = swap(page) && answer.ok ? answer.headers.get('ETag') : null;
  };

  const refresh = async () => {
    if (running || document.hidden) return;
    running = true;
    clearTimeout(timer);
    try {
      await ask();
      failures = 0;
    } catch {
      failures++;
      tag = null; // so the notice goes with the next answer
      if (failures > 1 && !byId('notice').firstChild)
        byId('notice').append(element('p', {
          className: 'box notice',
          textContent: 'The server does not answer at the moment. This page keeps trying.',
        }));
    }
    running = false;
    timer = setTimeout(refresh, Math.min(REFRESH_MS * 2 ** failures, REFRESH_MOST_MS));
  };

  /* --- the form -------------------------------------------------------------------------------- */

  const form = document.querySelector('form');
  const field = byId('message');
  const count = element('p', { id: 'count' });
  let speak = 0;
  let sending = false;

  const length = () => Array.from(field.value.trim()).length;

  const showCount = () => {
    const left = LIMIT - length();
    count.textContent = left < 0 ? `${-left} too many` : `${left} left`;
    count.className = left < 0 ? 'over' : '';
    return left;
  };

  const onInput = () => {
    const left = showCount();
    clearTimeout(speak);
    if (left <= 50) speak = setTimeout(() => say(`Characters: ${count.textContent}`), 1000);
    if (left >= 0) showError('');
  };

  // What the server said goes when the message is changed, as ours does.
  const showError = (text) => {
    const old = byId('message-error');
    if (old) old.remove();
    field.setAttribute('aria-describedby', text ? 'message-error message-hint' : 'message-hint');
    if (!text) {
      field.removeAttribute('aria-invalid');
      return;
    }
    field.before(element('p', { className: 'box error', id: 'message-error', textContent: text }, { role: 'alert' }));
    field.setAttribute('aria-invalid', 'true');
    field.focus();
  };

  form.addEventListener('submit', (event) => {
    if (length() > LIMIT) {
      event.preventDefault();
      showError(`Your message is too long: it has ${length()} characters, and ${LIMIT} is the most.`);
    } else if (sending) {
      event.preventDefault(); // a second click is no second message
    } else {
      sending = true;
    }
  });
  field.addEventListener('input', onInput);
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  /* --- start ----------------------------------------------------------------------------------- */

  byId('message-hint').after(count);
  showCount();
  for (const table of document.querySelectorAll('table')) {
    addRoles(table);
    for (const key of byKey(table.tBodies[0]).keys()) seen.add(key);
  }
  tick();
  setInterval(tick, TICK_MS);
  timer = setTimeout(refresh, REFRESH_MS);
  addEventListener('visibilitychange', refresh);
  addEventListener('pageshow', () => { sending = false; });
})();

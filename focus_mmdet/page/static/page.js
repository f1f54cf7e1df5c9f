// The page: what is shown, remembered, searched and found. The server checks everything anew.

const find = (selector, within = document) => within.querySelector(selector);
const copyOf = (template) => find(`#${template}`).content.firstElementChild.cloneNode(true);
const supports = new Map(); // figure -> {id, width, height, box}
let queries = []; // ids of uploaded pictures
let search = null; // id of the search that runs or ran last
let running = false;

function say(text, wrong = false) {
  find('#message').textContent = text;
  find('#message').classList.toggle('error', wrong);
}

async function ask(path, options = {}) {
  const response = await fetch(path, options);
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try { message = JSON.parse(text).error; } catch { /* not from the application */ }
  throw new Error(message || `${response.status} ${response.statusText}`);
}

const asJson = (value) => ({
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value),
});
const asFile = (file) => ({
  method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: file,
});

// What a handler throws is told to the user.
const told = (handler) => async (event) => {
  try { await handler(event); } catch (error) { say(error.message, true); }
};

function on(selector, kind, handler) {
  find(selector).addEventListener(kind, told(handler));
}

function takeFiles(zone, input, take) {
  const area = find(zone);
  area.addEventListener('dragover', (event) => { event.preventDefault(); area.classList.add('over'); });
  area.addEventListener('dragleave', () => area.classList.remove('over'));
  on(zone, 'drop', (event) => {
    event.preventDefault();
    area.classList.remove('over');
    return take([...event.dataTransfer.files]);
  });
  on(input, 'change', async (event) => {
    const files = [...event.target.files];
    event.target.value = '';
    await take(files);
  });
}

// Each picture to `keep`; those that are refused are told at the end.
async function upload(files, keep) {
  const refused = [];
  for (const [index, file] of files.entries()) {
    say(`Taking ${file.name} (${index + 1} of ${files.length})`);
    try {
      keep(await (await ask(`api/images?name=${encodeURIComponent(file.name)}`, asFile(file))).json());
    } catch (error) {
      refused.push(error.message);
    }
  }
  say(refused.join('; '), refused.length > 0);
}

// `box` in fractions of the picture's width and height.
function place(mark, box) {
  mark.hidden = !box;
  if (!box) return;
  const [left, top, right, bottom] = box.map((value) => 100 * value);
  Object.assign(mark.style, {
    left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%`,
  });
}

const fractions = (box, width, height) => box.map((value, index) => value / (index % 2 ? height : width));

// 1. Show the object

function addSupport(picture) {
  const figure = copyOf('support');
  const [image, stage, corners] = [find('img', figure), find('.stage', figure), figure.querySelectorAll('.corners input')];
  const support = { ...picture, box: null };
  supports.set(figure, support);
  find('.title', figure).textContent = picture.name;
  image.alt = picture.name;
  image.addEventListener('error', told(() => ask(image.src)));
  const show = (actual) => {
    figure.classList.toggle('actual', actual);
    image.style.width = actual ? `${picture.width}px` : '';
    image.src = `api/images/${picture.id}?side=${actual ? 0 : 2048}`;
  };
  const set = (box) => {
    support.box = box;
    place(find('.box', figure), box && fractions(box, picture.width, picture.height));
    corners.forEach((input, index) => { input.value = box ? box[index] : ''; });
  };
  draw(stage, image, picture, () => support.box, set);
  corners.forEach((input, index) => {
    Object.assign(input, { min: 0, max: index % 2 ? picture.height : picture.width });
    input.addEventListener('change', () => {
      const values = [...corners].map((each) => (each.value === '' ? NaN : Number(each.value)));
      if (isBox(values)) set(values);
    });
  });
  find('.zoom', figure).addEventListener('click', (event) => {
    const actual = !figure.classList.contains('actual');
    event.target.setAttribute('aria-pressed', actual);
    show(actual);
  });
  find('.remove', figure).addEventListener('click', () => { supports.delete(figure); figure.remove(); });
  show(false);
  find('#supports').append(figure);
}

const isBox = ([left, top, right, bottom]) => right - left >= 1 && bottom - top >= 1;

// Mouse, pen or finger draw a box, in whole pixels of the picture however large it is shown.
function draw(stage, image, { width, height }, current, set) {
  let start = null;
  let before = null;
  const at = (event) => {
    const shown = image.getBoundingClientRect();
    const along = (fraction, pixels) => Math.round(Math.min(1, Math.max(0, fraction)) * pixels);
    return [
      along((event.clientX - shown.left) / shown.width, width),
      along((event.clientY - shown.top) / shown.height, height),
    ];
  };
  const between = ([x, y], [u, v]) => [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
  stage.addEventListener('pointerdown', (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    [start, before] = [at(event), current()];
  });
  stage.addEventListener('pointermove', (event) => {
    if (start && event.isPrimary) set(between(start, at(event)));
  });
  const end = (event) => {
    if (!start || !event.isPrimary) return;
    const box = between(start, at(event));
    start = null;
    set(event.type === 'pointerup' && isBox(box) ? box : before);
  };
  stage.addEventListener('pointerup', end);
  stage.addEventListener('pointercancel', end);
}

// 2. Choose what to look for

function addReference(reference) {
  // Of one that was added while the page began, the server's list tells, too.
  if (find(`#references [data-id="${reference.id}"]`)) return;
  const item = copyOf('reference');
  item.dataset.id = reference.id;
  const count = reference.supports.length;
  find('.title', item).textContent = count > 1 ? `${reference.name} (${count} pictures)` : reference.name;
  find('img', item).src = `api/references/${reference.id}/supports/0`;
  place(find('.box', item), reference.supports[0]);
  find('a', item).href = `api/references/${reference.id}/file`;
  find('button', item).addEventListener('click', told(async () => {
    await ask(`api/references/${reference.id}`, { method: 'DELETE' });
    item.remove();
    showReady();
  }));
  find('#references').append(item);
  showReady();
}

async function remember(event) {
  event.preventDefault();
  const drawn = [...supports.values()].filter((support) => support.box);
  if (!drawn.length) throw new Error('Draw a box round the object first');
  const asked = { name: find('#name').value, supports: drawn.map(({ id, box }) => ({ image: id, box })) };
  say('Remembering');
  const reference = await (await ask('api/references', asJson(asked))).json();
  addReference(reference);
  supports.clear();
  find('#supports').replaceChildren();
  find('#name').value = '';
  sayNext(`${reference.name} remembered`);
}

async function recall(event) {
  const [file] = event.target.files;
  event.target.value = '';
  if (!file) return;
  say(`Loading ${file.name}`);
  const reference = await (await ask('api/references/file', asFile(file))).json();
  addReference(reference);
  sayNext(`${reference.name} loaded`);
}

const sayNext = (done) => say(`${done}. Now ${hasPlace() ? 'search' : 'choose where to look'}.`);

// What is a look-alike is not looked for.
function chooseUse({ target }) {
  const item = target.closest('li');
  if (target.checked) find(target.matches('.not-this') ? '.look-for' : '.not-this', item).checked = false;
  showReady();
}

// 3. Choose where to look

function showQueries() {
  const count = queries.length;
  find('#queries').textContent = count ? `${count} picture${count > 1 ? 's' : ''}.` : 'No pictures yet.';
  find('#clear').hidden = !count;
  showReady();
}

const hasPlace = () => queries.length > 0 || find('#in-folder').checked;
const used = (as) => [...document.querySelectorAll(`#references .${as}:checked`)]
  .map((input) => input.closest('li').dataset.id);

// Beside the button stands what a search cannot begin without.
function showReady() {
  const missing = [];
  if (!used('look-for').length) {
    missing.push(find('#references li') ? 'tick what to look for (2)' : 'show an object and remember it (1)');
  }
  if (!hasPlace()) missing.push('choose where to look (3)');
  find('#missing').textContent = missing.length ? `First ${missing.join(', and ')}.` : '';
  find('#search').disabled = running || missing.length > 0;
}

function chooseFolder() {
  say('');
  showReady();
}

async function listFolders() {
  const typed = find('#folder').value;
  const parent = typed.slice(0, typed.lastIndexOf('/') + 1);
  const names = await (await ask(`api/folders?path=${encodeURIComponent(parent)}`)).json();
  find('#folders').replaceChildren(...names.map((name) => new Option('', parent + name)));
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (rest + value).split('\n');
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}

async function begin() {
  const [references, alike] = [used('look-for'), used('not-this')];
  const folder = find('#in-folder').checked ? find('#folder').value : null;
  const small = find('#small').checked;
  running = true;
  showReady();
  say('Searching');
  try {
    const response = await ask('api/searches', asJson({ references, not_this: alike, images: queries, folder, small }));
    clearAnswers();
    await listen(response, references.length);
  } finally {
    running = false;
    showReady();
    find('#stop').disabled = true;
    find('#progress').hidden = true;
  }
}

async function listen(response, each) {
  const [progress, state, exports] = ['#progress', '#state', '#exports'].map((part) => find(part));
  let [asked, answers, ended] = [0, 0, 'Cut off'];
  const far = () => `${Math.floor(answers / each)} of ${asked}`;
  const advance = (by) => {
    answers += by;
    progress.value = answers;
    state.textContent = `${far()} searched.`;
  };
  try {
    for await (const event of lines(response)) {
      if (event.kind === 'start') {
        search = event.search;
        asked = event.queries;
        Object.assign(progress, { hidden: false, max: asked * each });
        find('#stop').disabled = false;
        advance(0);
      } else if (event.kind === 'found') {
        addAnswer(event, search);
        advance(1);
      } else if (event.kind === 'unread') {
        addUnread(event);
        advance(each);
      } else if (event.kind === 'error') {
        throw new Error(event.message);
      } else {
        ended = event.stopped ? 'Stopped' : 'Done';
      }
    }
    if (ended === 'Cut off') throw new Error('The search was cut off: is focus page still running?');
  } finally {
    state.textContent = ended === 'Done' ? `Done: ${far()} searched.` : `${ended} after ${far()}.`;
    for (const link of exports.querySelectorAll('a')) link.href = `api/searches/${search}/export/${link.dataset.kind}`;
    exports.hidden = false;
  }
  say(state.textContent);
}

// What was found, best first

const LINE = 0.495; // What is shown as 0.50 is as likely right as wrong, and stands above.
const ranked = []; // of all that stands in #answers, falling: a heading, the likely, a heading, the others
const rankOf = ({ box, score, absent }) => (box ? score : absent ? -2 : -1);

function addAnswer(answer, of) {
  const figure = copyOf('answer');
  const [width, height] = answer.size;
  const source = `api/searches/${of}/answers/${answer.number}`;
  const image = find('img', figure);
  Object.assign(image, { width, height, alt: answer.name, src: `${source}/picture?side=480` });
  place(find('.box', figure), answer.box && fractions(answer.box, width, height));
  find('meter', figure).value = answer.box ? answer.score : 0;
  const none = answer.instead ? `not there, but ${answer.instead}` : answer.absent ? 'not there' : 'no box';
  find('output', figure).textContent = answer.box ? answer.score.toFixed(2) : none;
  find('.reference', figure).textContent = answer.reference;
  find('.title', figure).textContent = answer.name;
  find('button', figure).addEventListener('click', () => {
    const closer = find('#closer');
    find('img', closer).src = `${source}/attention`;
    closer.showModal();
  });
  const rank = rankOf(answer);
  figure.classList.toggle('unlikely', rank <= LINE);
  const before = ranked.findIndex((other) => other < rank);
  const index = before < 0 ? ranked.length : before;
  find('#answers').insertBefore(figure, find('#answers').children[index] ?? null);
  ranked.splice(index, 0, rank);
  showCounts();
}

function clearAnswers() {
  for (const each of document.querySelectorAll('#answers figure, #unread li')) each.remove();
  find('#unread').hidden = true;
  find('#exports').hidden = true;
  find('#answers').hidden = false;
  find('#results-title').textContent = 'Best guess in each picture, best first';
  ranked.splice(0, ranked.length, Infinity, LINE);
  showCounts();
}

function showCounts() {
  const likely = ranked.indexOf(LINE) - 1;
  const unlikely = ranked.length - likely - 2;
  find('#likely').textContent = `Likely (${likely})`;
  find('#unlikely').textContent = `Unlikely, score below 0.5 (${unlikely})`;
}

function addUnread({ message }) {
  const list = find('#unread ul');
  list.append(Object.assign(document.createElement('li'), { textContent: message }));
  find('#unread').hidden = false;
  find('#unread summary').textContent = `${list.children.length} could not be read`;
}

takeFiles('#support-drop', '#support-files', (files) => upload(files, addSupport));
takeFiles('#query-drop', '#query-files', (files) => upload(files, ({ id }) => { queries.push(id); showQueries(); }));
on('#clear', 'click', () => { queries = []; showQueries(); });
on('#remember', 'submit', remember);
on('#reference-file', 'change', recall);
on('#references', 'change', chooseUse);
on('#in-folder', 'change', chooseFolder);
on('#folder', 'input', () => {
  find('#in-folder').checked = true;
  chooseFolder();
  return listFolders();
});
on('#folder', 'focus', listFolders);
on('#search', 'click', begin);
on('#stop', 'click', () => ask(`api/searches/${search}/stop`, { method: 'POST' }));
find('#closer img').addEventListener('error', told((event) => ask(event.target.src)));
find('#closer').addEventListener('close', () => find('#closer img').removeAttribute('src'));
// A file dropped beside the zones is not to replace the page.
for (const kind of ['dragover', 'drop']) document.addEventListener(kind, (event) => event.preventDefault());

told(async () => {
  const { root } = await (await ask('api/settings')).json();
  find('#folder-choice').hidden = root === null;
  find('#root').textContent = root ?? '';
  for (const reference of await (await ask('api/references')).json()) addReference(reference);
  showReady();
})();

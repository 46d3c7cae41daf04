// The page's side of the thread that computes: questions and answers, and a queue that drops what is stale.

const worker = new Worker(new URL('worker.js', document.baseURI), { type: 'module' });
const waiting = new Map();
let count = 0;

worker.onmessage = ({ data: { id, error, ...answer } }) => {
  const { resolve, reject, early } = waiting.get(id);
  if (answer.early) {
    early(answer);
    return;
  }
  waiting.delete(id);
  if (error) reject(new Error(error));
  else resolve(answer);
};
worker.onerror = (event) => {
  for (const { reject } of waiting.values()) reject(new Error(event.message || 'the worker did not start'));
  waiting.clear();
};

/** Ask the worker for a job. early: gets {early, milliseconds}, a picture that is there before the answer. */
export function compute(job, request = {}, early = () => {}) {
  count += 1;
  const id = count;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject, early });
    worker.postMessage({ id, job, ...request });
  });
}

/**
 * Answers for the newest request only: while one is computed, any number of further requests becomes a single one.
 * make: called when its turn comes, returns the promise of an answer. show: gets an answer. fail: gets an error.
 */
export class Latest {
  constructor(make, show, fail) {
    Object.assign(this, { make, show, fail, busy: false, again: false, runs: 0 });
  }

  async request() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    document.body.setAttribute('aria-busy', 'true');
    do {
      this.again = false;
      this.runs += 1;
      try {
        this.show(await this.make());
      } catch (error) {
        this.fail(error);
      }
    } while (this.again);
    this.busy = false;
    document.body.setAttribute('aria-busy', 'false');
  }
}

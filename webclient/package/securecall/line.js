/**
 * One WebSocket to the server, and its frames as messages.
 */

/** A way to the server that opens, and ends when it is left or closed by the other side. */
export class Line {
  #socket;

  /**
   * @param {string} url
   * @param {{opened: () => void, received: (type: string, payload: any) => void, closed: (code: number) => void}} listener
   */
  constructor(url, { opened, received, closed }) {
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = opened;
    socket.onmessage = ({ data }) => {
      const { type, payload } = read(data);
      if (typeof payload === "object" && payload !== null) received(type, payload);
    };
    socket.onclose = ({ code }) => closed(code);
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} payload
   */
  send(type, payload) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type, payload }));
  }

  /**
   * Close, and hear no more of it.
   *
   * @param {number} code
   * @param {string} [reason]
   */
  leave(code, reason) {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code, reason);
  }
}

/**
 * @param {unknown} data
 * @returns {any} nothing of what is no JSON, about which this library could do nothing
 */
function read(data) {
  try {
    return JSON.parse(String(data)) ?? {};
  } catch {
    return {};
  }
}

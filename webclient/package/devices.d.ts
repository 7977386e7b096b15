/**
 * Microphones, cameras, speakers and screens of a client: what there is, and changing it before a call and in one.
 *
 * ```js
 * import { Devices } from "./devices.js";
 *
 * const devices = new Devices(client, JSON.parse(localStorage.getItem("devices") ?? "{}"));
 * devices.stream = await devices.open({ audio: true, video: true });
 * preview.srcObject = devices.stream;
 * await client.call("bob", devices.stream);
 * await devices.choose("microphone", (await devices.list()).find(({ kind }) => kind === "microphone").id);
 * ```
 */
import type { SecureCall } from "./securecall.js";

export type DeviceKind = "microphone" | "camera" | "speaker";

export interface Device {
  kind: DeviceKind;
  /** The browser's `deviceId`, which is another one on another page, and after its data was cleared. */
  id: string;
  /** As the browser names it. */
  label: string;
  isChosen: boolean;
}

export class Devices extends EventTarget {
  /** @param chosen What was chosen before, by `id`; what is gone by now is passed over. */
  constructor(client: SecureCall, chosen?: Partial<Record<DeviceKind, string | null>>);

  /** By `id`; null: the browser's own choice. A "chosen" event tells of another one. */
  readonly chosen: Readonly<Record<DeviceKind, string | null>>;
  /**
   * What is shown before a call and sent in it. The application sets it; after `choose()` it is another stream, with the same
   * tracks but one, which a "stream" event tells.
   */
  stream: MediaStream | null;
  /** The screen that is shown in the call; null: none. A "screen" event tells when that changes. */
  readonly screen: MediaStream | null;

  /**
   * What there is. Empty until the page may open something: before, browsers keep the names to themselves. Firefox lets a page
   * wait for it that is not in front.
   */
  list(): Promise<Device[]>;

  /**
   * Open what was chosen of these kinds, or another one of them where that is gone.
   *
   * @throws as `getUserMedia` does.
   */
  open(wanted: { audio: boolean; video: boolean }): Promise<MediaStream>;

  /**
   * Use another device from now on. Where `stream` has one of this kind it is replaced, in the call too; who is muted stays
   * muted, and a camera that is off stays off.
   *
   * @param id Of `list()`; null: the browser's own choice.
   * @throws as `getUserMedia` and `setSinkId` do, or `AbortError` where the call, or `stream`, was over by then. What was
   *   chosen before stays; a camera that made room for the other one is opened again, and is off where that fails, too.
   */
  choose(kind: DeviceKind, id: string | null): Promise<void>;

  /** Let an element play on the chosen speaker, now and when another one is chosen. */
  play(player: HTMLMediaElement): Promise<void>;

  /**
   * Let the browser ask for a speaker: Firefox lists none before. Takes a click.
   *
   * @returns False where the browser does not ask: `list()` has them.
   */
  askForSpeaker(): Promise<boolean>;

  /**
   * Ask for a screen, a window or a tab, and show it in the call in place of the camera, which is off meanwhile. Takes a click.
   * It ends with the call, or when the person stops it in the browser.
   *
   * @throws {SecureCallError} `no-call` without a call, or in one that rings here, before anybody is asked, and when it is over
   *   by then; otherwise as `getDisplayMedia` does.
   */
  shareScreen(): Promise<void>;

  /**
   * Show the camera again, if it was on, or nothing; until it is open, the peer sees nothing. Who was muted, also before the
   * screen, stays muted.
   *
   * @throws as `open` does, `AbortError` where `stream` is another one by then, or `no-call`: then the camera is off.
   */
  stopSharing(): Promise<void>;

  /** Listen to nothing any more. Tracks stay the application's. */
  close(): void;

  /**
   * - `devices`: the list changed; something was plugged in or out.
   * - `chosen`: another device was chosen, or the browser's own choice; `chosen` has it.
   * - `stream`: `stream` is another one, with another track of a kind, or without it.
   * - `screen`: a screen is shown, another one, or none any more; `screen` has it.
   */
  addEventListener(
    type: "devices" | "chosen" | "stream" | "screen",
    listener: (event: Event) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

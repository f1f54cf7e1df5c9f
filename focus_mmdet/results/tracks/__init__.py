"""What was found in a video: the video with boxes, MOT lines and COCO-VID JSON."""
